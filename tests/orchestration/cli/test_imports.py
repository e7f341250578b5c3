"""Promises of the command line's start: it imports nothing heavy."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = ("dagster", "dbt", "great_expectations", "pandas", "duckdb", "pyarrow", "openai")


def test_the_command_line_imports_nothing_heavy() -> None:
    """`andon --help` imports neither Dagster nor a database nor a client."""
    code = (
        "import sys; from click.testing import CliRunner; import orchestration.cli.main as cli; "
        "help = CliRunner().invoke(cli.main, ['--help']); assert 'nightly' in help.output; "
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["evals", "orchestration"])
def test_a_package_of_the_same_name_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    """A folder of PYTHONPATH may hold one; behind Andon's own it does no harm."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError\n")
    command = [sys.executable, "-P", "-c", "import andon; andon.run()", "--help"]
    ends: list[tuple[int, str]] = []
    for folders in ([tmp_path, ROOT], [ROOT, tmp_path]):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        ends.append((done.returncode, done.stderr))
    (code, words), harmless = ends
    assert (code, harmless) == (2, (0, ""))
    assert words.startswith(f"andon: {tmp_path / name / '__init__.py'} would be imported in place")
    assert words.count("\n") == 1


def test_help_comes_at_once() -> None:
    """`andon --help` prints its commands; the test prints its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "orchestration.cli.main", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(f"andon --help: {spent:.2f} s of CPU\n")
    assert "andon nightly" in done.stdout
