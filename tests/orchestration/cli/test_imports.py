"""Promises of the command line's start: it imports nothing heavy."""

from __future__ import annotations

import resource
import subprocess
import sys

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


def test_help_comes_at_once() -> None:
    """`andon --help` prints its commands; the test prints its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "orchestration.cli.main", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(f"andon --help: {spent:.2f} s of CPU\n")
    assert "andon nightly" in done.stdout
