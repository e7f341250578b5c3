"""The command `andon gate`: whether a night passed, as exit code, text, JSON, JUnit or Markdown.

The outcome is decided when the night is reported; here it is read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from orchestration.cli import gate_cases
from orchestration.cli.lookups import find_report, is_declared, open_existing
from orchestration.cli.options import (
    DAY,
    GATES,
    INFRASTRUCTURE,
    USAGE,
    CommandFailed,
    fail,
    json_option,
    settings_options,
)
from orchestration.cli.scoring import print_case_run
from orchestration.runtime import terminal
from orchestration.runtime.addresses import find_served_url

if TYPE_CHECKING:
    from evals.reports.conclusion import Outcome
    from evals.reports.report import Report
    from evals.storage.lake import Lake
    from evals.validation.row_summary import RefusedRows
    from orchestration.settings import Settings

FILE = click.Path(dir_okay=False, path_type=Path)
STDOUT = "-"
SUMMARY = "GITHUB_STEP_SUMMARY"
"""Names the file to which each step of a GitHub job adds."""


@click.command()
@settings_options
@click.option("--app", required=True, help="The application.")
@click.option("--date", "only", type=DAY, help="The night; default: last night.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write the outcome as JUnit XML.")
@click.option(
    "--markdown",
    is_flag=False,
    flag_value=STDOUT,
    metavar="[FILE]",
    help="Write a summary in Markdown; without FILE, print it. A CI job's summary is added to.",
)
@click.option(
    "--cases",
    "answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Judge a candidate's answers to the regression cases instead of a night.",
)
@click.option("--ask", is_flag=True, help="Ask models about cases without a stored answer; paid.")
@json_option
def gate(
    settings: Settings,
    app: str,
    only: date | None,
    junit: Path | None,
    markdown: str | None,
    answers: Path | None,
    ask: bool,
    as_json: bool,
) -> None:
    """Exits 0 when a night passed, 1 regressed, 3 inconclusive, 4 infrastructure.

    A provisional night, which may still get traces, is never regressed but inconclusive. A night
    without traces and an application whose catalog is broken exit 4; `--json` then has the reason,
    and `no report` as the outcome.

    Where the catalog has regression cases (`andon case`), the evaluators must also judge these as
    people did. With `--cases` no night is read: a candidate's answers to the cases must pass. What
    the night was to be compared with or decided by and is gone, such as a blessed report or the
    dimension of an open incident, is named (`lost`) and does not gate.

    \b
    Examples:
      andon gate --app extraction --date 2026-10-08
      andon gate --app extraction --junit gate.xml --markdown "$GITHUB_STEP_SUMMARY"
      andon gate --app extraction --cases answers.jsonl --ask
    """
    from evals.specs import CatalogError
    from evals.storage.lake import LakeError

    if as_json and markdown == STDOUT:
        fail(USAGE, "--json and --markdown both print on stdout; give --markdown a FILE")
    if answers and only:
        fail(USAGE, "--cases judges no night; give it without --date")
    output = Output(junit, markdown, as_json)
    if answers:
        outcome = judge_answers(settings, app, answers, output, ask=ask)
        sys.exit(GATES.get(outcome, INFRASTRUCTURE))
    try:
        outcome = judge_night(settings, app, only, output, ask=ask)
    except (CommandFailed, CatalogError, LakeError) as failed:
        reason = failed.message if isinstance(failed, CommandFailed) else str(failed)
        print_missing(app, only, reason, output)
        raise
    sys.exit(GATES.get(outcome, INFRASTRUCTURE))


class Output(NamedTuple):
    """Where the outcome is written beside the exit code."""

    junit: Path | None
    markdown: str | None
    """A file; `STDOUT`: printed."""
    as_json: bool

    def write_files(self, junit: bytes, markdown: str) -> None:
        """Writes the files that were asked for; the summary of a CI job is added to."""
        if self.junit:
            self.junit.write_bytes(junit)
        if self.markdown and self.markdown != STDOUT:
            is_summary = self.markdown == os.environ.get(SUMMARY)
            with Path(self.markdown).open("a" if is_summary else "w", encoding="utf-8") as file:
                file.write(markdown)

    def prints_markdown(self) -> bool:
        """Whether the summary is printed in place of the sentence."""
        return self.markdown == STDOUT


def judge_night(
    settings: Settings, app: str, only: date | None, output: Output, *, ask: bool
) -> Outcome:
    """Prints and writes the gate's outcome of a night; ends the command without a report."""
    from evals.cases import showing
    from evals.reports.lost_references import list_lost_references
    from evals.reports.pages.gate_markdown import render_gate
    from evals.reports.pages.junit import render_junit
    from evals.reports.pages.markdown_text import quote_prose
    from evals.storage import night_state
    from evals.validation.row_summary import list_refused

    lake, broken = open_existing(settings), settings.load_catalog().broken.get(app)
    waiting = night_state.read_state(lake, only).waiting if only else (app,)
    if broken and app in waiting:
        fail(INFRASTRUCTURE, f"{broken.messages[0]}; {app} waits, so there is no report")
    refuse_missing_night(settings, lake, app, only)
    report = find_report(settings, lake, app, only)
    until = night_state.find_provisional_until(lake, report.date, app, datetime.now(UTC))
    outcome, refused = report.gate.outcome, list_refused(lake, app=app, night=report.date)
    if until and outcome == "regressed":
        outcome = "inconclusive"
    cases = gate_cases.run_set(settings, lake, report, ask=ask)
    lines = showing.list_lines(cases) if cases else []
    lost = list_lost_references(lake, app, report.date)
    noted = [f"- {quote_prose(one)}" for one in lost]
    summary = render_gate(report, outcome, until, find_page(lake, report), [*noted, *lines])
    tests = showing.list_tests(cases) if cases else []
    output.write_files(render_junit(report, outcome, tests), summary)
    both = gate_cases.combine(outcome, cases)
    if output.prints_markdown():
        terminal.print_lines(summary.splitlines())
    elif output.as_json:
        shown = describe_gate(report, both, until, refused) | {"lost": lost}
        terminal.print_json(shown | {"cases": showing.to_json(cases) if cases else None})
    else:
        print_outcome(report, outcome, until, refused)
        for line in lost:
            terminal.print_line(f"{line}")
        if cases:
            print_case_run(cases, f"{app} {cases.outcome}")
    return both


def judge_answers(
    settings: Settings, app: str, path: Path, output: Output, *, ask: bool
) -> Outcome:
    """Prints and writes the outcome of a candidate's answers to the regression cases."""
    from evals.cases import showing
    from evals.reports.pages.gate_markdown import render_cases
    from evals.reports.pages.junit import render_suite

    run = gate_cases.run_answers(settings, app, path, ask=ask)
    summary = render_cases(app, run.outcome, run.describe(), showing.list_lines(run))
    tests, properties = showing.list_tests(run), {"cases": run.version}
    output.write_files(render_suite(app, "regression cases", tests, properties), summary)
    if output.prints_markdown():
        terminal.print_lines(summary.splitlines())
    elif output.as_json:
        terminal.print_json(showing.to_json(run))
    else:
        print_case_run(run, f"{app} {run.outcome}")
    return run.outcome


def print_outcome(
    report: Report, outcome: str, until: str | None, refused: Sequence[RefusedRows]
) -> None:
    """Prints the outcome in a sentence, and the rows of the night that were refused."""
    from orchestration.cli import row_notes

    mark = f" (provisional until {until})" if until else ""
    terminal.print_line(f"{report.date} {report.app}: {outcome}{mark}. {report.sentence}")
    terminal.print_lines(row_notes.describe_refused(refused))


def print_missing(app: str, only: date | None, reason: str, output: Output) -> None:
    """Prints and writes that a night has no report."""
    from evals.reports.pages.gate_markdown import render_missing_gate
    from evals.reports.pages.junit import render_missing

    night = only.isoformat() if only else None
    summary = render_missing_gate(app, night, reason)
    output.write_files(render_missing(app, night, reason), summary)
    if output.prints_markdown():
        terminal.print_lines(summary.splitlines())
    elif output.as_json:
        terminal.print_json(describe_no_report(app, only, reason))


def find_page(lake: Lake, report: Report) -> str:
    """Finds the address of a night's page; the path of its file where nobody serves it."""
    from evals.reports.pages.marks import locate_page
    from evals.storage.report_files import ReportVersion, locate_report_file

    address, page = find_served_url(lake), locate_page(report)
    if address and page:
        return f"{address.rstrip('/')}/{page}"
    version = ReportVersion(report.date, report.app, report.version)
    return str(locate_report_file(lake, version).with_name("index.html"))


def describe_no_report(app: str, only: date | None, reason: str) -> dict[str, object]:
    """Describes a night without a report as JSON, with the keys of one that has a report.

    `date` is the night asked for; null where the last one was.
    """
    return {
        "date": only.isoformat() if only else None,
        "app": app,
        "version": None,
        "gate": {"outcome": "no report", "reasons": [reason]},
        "sentence": reason,
        "provisional": False,
        "provisional_until": None,
        "refused_rows": [],
        "lost": [],
    }


def describe_gate(
    report: Report, outcome: str, until: str | None, refused: Sequence[RefusedRows]
) -> dict[str, object]:
    """The gate's outcome as JSON, with the rows of the night that were refused."""
    return {
        "date": report.date.isoformat(),
        "app": report.app,
        "version": report.version,
        "gate": {"outcome": outcome, "reasons": list(report.gate.reasons)},
        "sentence": report.sentence,
        "provisional": until is not None,
        "provisional_until": until,
        "refused_rows": [rows._asdict() for rows in refused],
    }


def refuse_missing_night(settings: Settings, lake: Lake, app: str, only: date | None) -> None:
    """Fails where the night to judge, by default the last one that was due, has no report.

    Of an application that the catalog does not declare every night is due.
    """
    from evals.reports.archive import read_current_reports
    from evals.reports.missing_nights import find_last_night, find_missing_nights
    from orchestration.cli.row_notes import explain_absence

    now, catalog = datetime.now(UTC), settings.load_catalog()
    missing = {
        night.date: night for night in find_missing_nights(lake, catalog, now) if night.app == app
    }
    reported = {report.date for report in read_current_reports(lake) if report.app == app}
    last = find_last_night(catalog, now)
    if not only and max(reported, default=last) < last and not is_declared(settings, app):
        fail(
            INFRASTRUCTURE,
            f"no report of {app} for {last}: no traces of that night arrived, and {catalog.root} "
            f"does not declare it; name its catalog with --catalog, or a night with --date; the "
            f"last report is of {max(reported)}",
        )
    night = missing.get(only or max({*missing, *reported}, default=date.min))
    if night:
        fail(INFRASTRUCTURE, f"{night.describe()}{explain_absence(lake, app, night.date)}")


COMMANDS = (gate,)
