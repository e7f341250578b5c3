"""The commands, examples and links of README, CONTRIBUTING and `.env.example` work."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.docs.generate import DOCS, ROOT

README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]
VARIABLE = re.compile(r"\b(ANDON_[A-Z_]+|OPENAI_API_KEY|DAGSTER_HOME)\b")


def blocks(language: str) -> list[str]:
    """Returns the README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> Iterator[str]:
    """Yields every `andon` command line in the prose."""
    for path in PAGES[:2]:
        text = path.read_text("utf-8")
        yield from re.findall(r"(?:^|bin/|`)andon (.+?)(?:\s+#.*)?(?:`|$)", text, re.MULTILINE)


def run(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command of `andon` in a process and folder of its own."""
    environment = {key: v for key, v in os.environ.items() if not key.startswith("ANDON_")}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "orchestration.cli.main", *words]
    return subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, check=False
    )


def test_every_link_leads_to_a_file() -> None:
    """No page links to a file that is not there."""
    links = [
        (page, target.partition("#")[0])
        for page in PAGES
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8"))
        if not target.startswith(("http", "#"))
    ]
    assert len(links) > 10
    assert not [(str(page), to) for page, to in links if not (page.parent / to).exists()]


def test_every_make_target_named_is_one() -> None:
    """`make …` in the prose names a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    words = "\n".join(page.read_text("utf-8") for page in PAGES[:2])
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", words, re.MULTILINE))
    assert {"nightly", "test", "ui"} <= named <= targets


def test_every_command_named_is_one() -> None:
    """Commands and options in README and CONTRIBUTING are those of `andon`."""
    main = importlib.import_module("orchestration.cli.main").main
    seen = list(commands())
    assert len(seen) >= 6
    for line in seen:
        words, command = line.split(), main
        while isinstance(command, click.Group):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_env_example_names_every_variable_the_code_reads() -> None:
    """Each variable is in `.env.example`, and none there is unread."""
    code = [
        path.read_text("utf-8")
        for folder in ("evals", "orchestration", "dbt_project")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yml") and "target" not in path.parts
    ]
    read = set(VARIABLE.findall("\n".join(code)))
    documented = set(VARIABLE.findall((ROOT / ".env.example").read_text("utf-8")))
    assert len(read) > 5
    assert documented == read


def test_the_suite_in_the_readme_is_the_demos() -> None:
    """The README's suite is an excerpt of the file it names."""
    shown = blocks("yaml")[0].splitlines()
    whole = (ROOT / "evals/catalog/suites/extraction.yaml").read_text("utf-8").splitlines()
    assert len(shown) > 5
    assert not [line for line in shown if line not in whole]


def test_the_guard_in_the_readme_prints_the_comment_beside_it() -> None:
    """The README's request-path example prints the text of its comment."""
    (code,) = blocks("python")
    expected = re.findall(r"print\(.*\)  # (.*)", code)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == expected


@pytest.mark.slow
def test_the_readmes_own_traces_become_a_report(tmp_path: Path) -> None:
    """The README's export and commands give a catalog as shown, and a report of that night."""
    (tmp_path / "export.csv").write_text(blocks("csv")[0])
    (shell,) = (block for block in blocks("sh") if "andon init" in block)
    init, nightly, quarantine, gate = (
        line.partition("#")[0].split()[1:] for line in shell.strip().splitlines()
    )
    created = run(*init, home=tmp_path)
    assert created.returncode == 0, created.stderr
    shown = blocks("yaml")[1]
    assert shown in (tmp_path / "catalog" / "catalog.yaml").read_text("utf-8")
    done = run(*nightly, "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)["reports"]
    assert (made["date"], made["app"], made["accounting"]["accepted"]) == (
        "2026-10-08",
        "support",
        1,
    )
    assert run(*quarantine, home=tmp_path).stdout == "nothing in quarantine\n"
    gated = run(*gate, home=tmp_path)
    assert gated.returncode == 3
    assert gated.stdout.startswith("2026-10-08 support: inconclusive.")


def test_the_board_in_the_readme_is_marked_as_a_demo() -> None:
    """The picture is a well-formed drawing, labelled as demo data, and has a text equivalent."""
    drawing = ElementTree.parse(DOCS / "board.svg").getroot()  # noqa: S314  our own file
    words = " ".join(drawing.itertext())
    assert "demo data, simulated calendar" in words
    assert drawing.attrib["role"] == "img"
    assert drawing.attrib["aria-labelledby"].split() == [
        part.attrib["id"] for part in drawing if part.tag.endswith(("title", "desc"))
    ]
