"""`andon report show`: one night as Markdown, and one answer in full."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evals.records import Trace
from evals.reports.pages.night_markdown import render_markdown
from evals.storage import night_state
from evals.storage.lake import Lake
from evals.storage.report_files import write_report
from orchestration.cli.reports import report
from tests.evals.reports.chat_nights import BASE, TONIGHT
from tests.evals.reports.night_rows import report_of

NIGHT = report_of(BASE)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one report and one trace."""
    lake = Lake(tmp_path / "home")
    write_report(lake, TONIGHT, NIGHT.to_json(), "<html></html>", {})
    night_state.update_state(lake, TONIGHT, reports={"chat": NIGHT.version})
    at = datetime(2026, 10, 8, 9, tzinfo=UTC)
    lake.write("traces", TONIGHT, [Trace("t-1", at, "chat", "two\nlines\x1b[31m", "why?")])
    return lake.home


def show(home: Path, *words: str) -> Result:
    """Runs the command."""
    return CliRunner().invoke(report, ["show", "--app", "chat", *words, "--home", str(home)])


def test_a_night_is_shown_as_its_markdown(home: Path) -> None:
    """Also a night that was reported before there was a `report.md`."""
    assert show(home, "--markdown").output == render_markdown(NIGHT)


def test_an_answer_is_shown_in_full(home: Path) -> None:
    """Its texts on lines of their own, with what commands a terminal escaped; or as JSON."""
    lines = show(home, "--answer", "t-1").output.splitlines()
    assert lines[1:] == ["input:", "  why?", "output:", "  two", "  lines\\x1b[31m"]
    body = json.loads(show(home, "--answer", "t-1", "--json").output)
    assert (body["trace_id"], body["output"], body["verdicts"]) == ("t-1", "two\nlines\x1b[31m", [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--answer", "t-2"), "no trace 't-2' of chat on 2026-10-08"),
        (("--answer", "t-1", "--markdown"), "--markdown and --answer: expected one of them"),
        (("--markdown", "--from", "2026-10-01"), "--markdown: expected one of them with one night"),
    ],
)
def test_what_cannot_be_shown_is_refused(home: Path, words: tuple[str, ...], message: str) -> None:
    """With exit code 2 and what to do instead."""
    result = show(home, *words)
    assert (result.exit_code, message in result.output) == (2, True), result.output
