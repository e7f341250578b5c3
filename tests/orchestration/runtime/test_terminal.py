"""Promises of the terminal: foreign text is printed as text, and JSON is JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.table import Table

from orchestration.cli import board, main
from orchestration.runtime import console, metadata, terminal
from tests.evals.reports import report_bodies as bodies
from tests.orchestration.runtime.test_progress import run_on_terminal

HOSTILE = "v2[/x] [link=http://evil]here[/link] [red]red :smile: \x1b]0;owned\x07 \x9b31m \u202e"
SHOWN = r"v2[/x] [link=http://evil]here[/link] [red]red :smile: \x1b]0;owned\x07 \u009b31m \u202e"


def hostile_report(cut: str) -> dict[str, Any]:
    """A report whose texts are hostile, with one row of a slice."""
    row = bodies.result(HOSTILE, 1, 1, slice=cut, evaluator=HOSTILE)
    return bodies.night(sentence=f"Slipped: prompt {HOSTILE}.", results=[row])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> console.Console:
    """A wide console that acts as a terminal with colours and links, and records."""
    monkeypatch.setenv("COLUMNS", "900")
    return console.Console(width=900, force_terminal=True, record=True)


def test_text_of_a_trace_is_neither_markup_nor_a_command(
    shown: console.Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines, titles, headings and cells show it as text, without a style, link or escape."""
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    shown.print(HOSTILE)
    shown.print(table)
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 4
    assert "\x1b]" not in out
    assert "\x1b[31m" not in out
    assert not {"\x07", "\x9b", "\u202e"} & set(out)


def test_a_report_shows_a_slice_as_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    """`report show` draws values that look like markup, and their hidden characters as escapes."""
    board.draw_report(bodies.typed(hostile_report(HOSTILE)))
    out = capsys.readouterr().out
    assert "v2[/x]" in out
    assert out.replace("\n", "").isprintable()


def test_the_boards_own_tables_take_any_text(
    shown: console.Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """The grid's sentence and an application's rates are text."""
    shown.print(board.build_rates_table(bodies.typed(hostile_report("all"))))
    assert SHOWN in capsys.readouterr().out


def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A newline within a line does not start another one."""
    terminal.print_line("a\nandon: all is well")
    assert capsys.readouterr().out == "a\\nandon: all is well\n"


def test_a_long_error_keeps_its_lines_and_none_looks_like_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Further lines of an error are indented, and hidden characters escaped."""
    terminal.print_error("no\n\x1b[2Jandon: done")
    assert capsys.readouterr().err == "andon: no\n  \\x1b[2Jandon: done\n"


@pytest.mark.parametrize("text", [HOSTILE, "a\nb\x7f", "half \ud83d", "\U000e0041", 'Grüße "你"'])
def test_a_json_document_is_exact_and_sends_a_terminal_nothing(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads the value itself; a terminal gets printable characters."""
    terminal.print_json({"key": [text], text: 1})
    out = capsys.readouterr().out
    assert json.loads(out) == {"key": [text], text: 1}
    assert out.replace("\n", "").isprintable()
    assert "你" not in text or "你" in out


def test_click_s_errors_are_escaped() -> None:
    """A file name in click's own errors, of a command or before it, is escaped."""
    name = "none\x1b]0;x\x07" + os.fsdecode(b"\xe9")
    for words in (["labels", "import", name], [name], ["gate", "--app", "a", name]):
        result = CliRunner().invoke(main.main, words)
        assert result.exit_code == 2
        assert r"none\x1b]0;x\x07" in result.output
        assert result.output.replace("\n", "").isprintable()


def test_bars_show_text_as_text() -> None:
    """A file's name in a progress bar is neither markup nor a command."""
    shown = run_on_terminal(
        "from orchestration.runtime.progress import open_listener\n"
        "with open_listener() as show:\n"
        "    show('importing a[/x]\\x1b]0;owned\\x07\\udce9.jsonl', 0, 2)\n"
    )
    assert r"importing a[/x]\x1b]0;owned\x07\xe9.jsonl" in shown
    assert "\x1b]0;owned" not in shown


def test_a_home_that_parquet_cannot_use_is_refused(tmp_path: Path) -> None:
    """A home whose name is not UTF-8 is refused with what to do."""
    home = tmp_path / os.fsdecode(b"home\xe9")
    result = CliRunner().invoke(main.main, ["report", "list", "--home", str(home)])
    assert result.exit_code == 2
    assert r"home\xe9: its name is not UTF-8" in result.output
    assert not home.exists()


def test_a_terminal_of_another_encoding_gets_escapes() -> None:
    """Lines and tables show what Latin-1 lacks as escapes, and JSON stays JSON."""
    body = (
        "from orchestration.runtime import console\n"
        "cli.terminal.print_line('é 82% → 48%')\n"
        "console.open_stdout().print('é 82% → 48%')\n"
        "cli.terminal.print_json({'é': '→ \\N{PARTY POPPER}'})"
    )
    head = "from orchestration.cli import main as cli\n@cli.main.command()\ndef last():\n"
    code = f"{head}{textwrap.indent(body, '    ')}\ncli.run(['last'])"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    line, drawn, shown = done.stdout.decode("latin-1").split("\n", 2)
    assert line == drawn == r"é 82% \u2192 48%"
    assert json.loads(shown) == {"é": "→ \N{PARTY POPPER}"}


def test_a_command_prints_where_a_pipe_replaced_a_file(tmp_path: Path) -> None:
    """A process whose output file was replaced by a pipe runs its command."""
    code = (
        "import os, sys\n"
        "ends = os.pipe()\n"
        "os.dup2(ends[1], 2)\n"
        "from orchestration.cli import main as cli\n"
        "cli.run(['--version'])"
    )
    with (tmp_path / "errors").open("w") as errors:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert (done.returncode, done.stdout.count("version")) == (0, 1)


def test_a_dagster_table_shows_hidden_characters() -> None:
    """A trace's text in Dagster's pages reorders nothing and breaks no line."""
    shown = metadata.show_table([{"reason": HOSTILE, "rows": 3, "rate": None}])
    assert shown.records[0].data == {"reason": SHOWN, "rows": 3, "rate": ""}
