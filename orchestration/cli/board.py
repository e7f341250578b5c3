"""The board and reports in a terminal, in the words of the pages.

Draws figures of reports and computes none.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from evals.reports import phrases
from evals.reports.archive import read_current_reports
from evals.reports.missing_nights import group_outages
from evals.reports.pages.marks import VERDICT_MARKS, get_verdict
from evals.reports.pooling import PooledResult
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import agreement, causes, errors, requests, results
from evals.storage.documents.due_analyses import read_due_analyses
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.missing_nights import MissingNight, read_missing_nights
from evals.storage.lake import Lake
from evals.storage.night_state import ProvisionalNight, list_provisional_nights
from evals.storage.report_files import locate_board_page
from evals.validation.row_summary import RowSummary
from orchestration.cli import row_notes, shortfalls
from orchestration.cli.row_notes import count_of
from orchestration.runtime.console import open_stdout

SHOWN_NIGHTS = 14


class Outcome(NamedTuple):
    """The outcome of a nightly run or a backfill."""

    due: Sequence[date]
    calls: int
    failures: Sequence[str] = ()
    final: Sequence[ProvisionalNight] = ()
    """Nights that it made final."""
    rows: RowSummary | None = None
    """What was not taken in as it was; None: nothing was taken in."""


def describe_outcome(lake: Lake, outcome: Outcome) -> dict[str, object]:
    """Describes the outcome of a run as JSON: the nights it evaluated and their current reports."""
    keys = ("date", "app", "version", "status", "verdict", "gate", "sentence", "cost", "accounting")
    reports = [report for report in read_current_reports(lake) if report.date in outcome.due]
    return {
        "nights": sorted({night.isoformat() for night in outcome.due}),
        "calls": outcome.calls,
        "reports": [
            {key: body[key] for key in keys} for body in (report.to_json() for report in reports)
        ],
        "refused": [[f"{r.date}", r.app] for r in reports if r.is_refused],
        "provisional": [[f"{n.date}", n.app, n.until] for n in list_provisional_nights(lake)],
        "final": [[f"{n.date}", n.app] for n in outcome.final],
        "missing": [
            {"app": m.app, "date": f"{m.date}", "since": f"{m.since}", "reason": m.reason}
            for m in read_missing_nights(lake)
        ],
        "unasked": [unasked._asdict() for unasked in shortfalls.list_unasked(reports)],
        "failures": list(outcome.failures),
        "board": str(locate_board_page(lake)),
        **(row_notes.convert_summary(outcome.rows) if outcome.rows else {}),
    }


def draw_board(lake: Lake, outcome: Outcome) -> None:
    """Draws the board over the last nights, and prints the path of its page."""
    reports = read_current_reports(lake)
    console = open_stdout()
    notes = list(row_notes.describe_summary(outcome.rows)) if outcome.rows else []
    if not reports:
        start = "Put trace exports in a folder and name it with --inbox."
        console.print(f"No reports yet. {'' if read_inbox_files(lake) else start}".rstrip())
        print_below(notes)
        return
    missing = read_missing_nights(lake)
    nights = sorted({*(report.date for report in reports), *(night.date for night in missing)})
    reported = sorted({report.app for report in reports})
    apps = sorted({*reported, *(night.app for night in missing)})
    demo = "   demo data, recorded answers" if any(report.demo for report in reports) else ""
    counts = f" · {count_nights(len(nights))} · {count_applications(len(apps))}{demo}"
    console.print(Text.assemble(" ", ("Andon", "bold"), counts))
    console.print(build_grid(reports, nights[-SHOWN_NIGHTS:], apps, missing))
    for app in reported:
        last = find_last_report(reports, app)
        console.print(build_rates_table(last))
    scored = sum(row.scored for report in reports for row in select_whole_results(report))
    evaluated = f"{count_nights(len(outcome.due))} evaluated" if outcome.due else "nothing new"
    page = locate_board_page(lake)
    calls, scores = count_of(outcome.calls, "model call"), count_of(scored, "score")
    console.print(f" {evaluated}: {calls}; {scores} in these reports")
    due = [report for report in reports if report.date in outcome.due]
    print_below(unasked.describe() for unasked in shortfalls.list_unasked(due))
    print_below(shortfalls.describe_bounds(due))
    print_below(notes)
    for outage in group_outages(missing):
        console.print(Text(f" missing: {outage.describe()}", style="red"), soft_wrap=True)
    for night in list_provisional_nights(lake):
        console.print(f" {night.date} {night.app} is provisional until {night.until}")
    for night in outcome.final:
        console.print(f" {night.date} {night.app} is final")
    print_below(describe_due_analyses(lake))
    console.print(f" board: {page}", soft_wrap=True)


def describe_due_analyses(lake: Lake) -> Iterator[str]:
    """Describes in a line which error analyses are due, and what to do."""
    due = read_due_analyses(lake)
    if len(due) == 1:
        yield due[0].describe()
    elif due:
        apps = ", ".join(one.app for one in due)
        yield f"error analysis is due for {apps}: `andon analysis` shows what is next for each"


def print_below(lines: Iterable[str]) -> None:
    """Prints lines under the board, not wrapped."""
    for line in lines:
        open_stdout().print(f" {line}", soft_wrap=True)


def count_nights(count: int) -> str:
    """Formats a number of nights."""
    return f"{count} night" if count == 1 else f"{count} nights"


def count_applications(count: int) -> str:
    """Formats a number of applications."""
    return f"{count} application" if count == 1 else f"{count} applications"


def find_last_report(reports: Sequence[Report], app: str) -> Report:
    """Returns an application's last report."""
    return [report for report in reports if report.app == app][-1]


def describe_last_report(reports: Sequence[Report], app: str) -> str:
    """Returns the sentence of an application's last report; empty if it has none."""
    return next((one.sentence for one in reversed(reports) if one.app == app), "")


def select_whole_results(report: Report) -> list[Result]:
    """Returns a report's results over all traces."""
    return [row for row in report[results.SECTION] if row.is_whole]


def build_grid(
    reports: Sequence[Report],
    nights: Sequence[date],
    apps: Sequence[str],
    missing: Sequence[MissingNight] = (),
) -> Table:
    """Builds a table with a mark per night of an application, and its last night in a sentence."""
    table = Table(box=None, pad_edge=True)
    table.add_column("app", style="bold", no_wrap=True)
    for number, night in enumerate(nights):
        shown = f"{night:%m-%d}" if number in (0, len(nights) - 1) else f"{night:%d}"
        table.add_column(shown, justify="center", no_wrap=True)
    table.add_column("last night", overflow="fold", min_width=40)
    by_night = {(report.app, report.date): report for report in reports}
    owed = {(night.app, night.date): night for night in missing}
    for app in apps:
        marks = [get_mark(by_night.get((app, n)), is_missing=(app, n) in owed) for n in nights]
        outage = owed.get((app, nights[-1]))
        last = outage.describe() if outage else describe_last_report(reports, app)
        table.add_row(app, *marks, last)
    return table


def get_mark(report: Report | None, *, is_missing: bool = False) -> str:
    """Returns the mark of a night's verdict; empty where no report was due."""
    if is_missing:
        return VERDICT_MARKS["missing"]
    return "" if report is None else VERDICT_MARKS[get_verdict(report)]


def build_rates_table(report: Report) -> Table:
    """Builds a table of a report's dimensions: rate, interval, change, verdict."""
    table = Table(box=None, title_justify="left")
    table.title = f" {report.app} · {report.date} · gate {report.gate.outcome}"
    for name in ("dimension", "evaluator", "pass", "95% interval", "change", "n", "verdict"):
        right = name in ("pass", "95% interval", "change", "n")
        table.add_column(name, justify="right" if right else "left", no_wrap=not right)
    for row in select_whole_results(report):
        table.add_row(
            row.dimension,
            row.evaluator,
            *describe_rate(row),
            phrases.format_points(row.change, row.change_low, row.change_high),
            f"{row.scored:,}",
            row.verdict if row.decides else f"{row.verdict} (not gating)",
        )
    return table


def describe_rate(row: Result | PooledResult) -> tuple[str, str]:
    """Describes the rate that comparisons use, weighted for an unequal sample, and its interval."""
    rate = row.compared_rate
    shown = phrases.format_percent(rate.rate, rate.low, rate.high)
    return f"{shown} weighted" if row.weighted else shown, phrases.format_interval(
        rate.low, rate.high
    )


def draw_report(report: Report, *, slices: bool = False) -> None:
    """Draws a report: its verdict, the rates, causes and agreement, and on demand the slices."""
    console = open_stdout()
    console.print(f" {report.date} {report.app} {report.version}: {report.sentence}")
    console.print(f" gate {report.gate.outcome}: {'; '.join(report.gate.reasons) or 'no reasons'}")
    console.print(build_rates_table(report))
    for cause in report[causes.SECTION]:
        console.print(f" {cause.dimension} ({cause.evaluator}): {cause.words}", soft_wrap=True)
    for line in (
        *describe_unanswered(report),
        *describe_gold(report),
        *describe_agreement(report),
        *describe_unscored(report),
    ):
        console.print(f" {line}", soft_wrap=True)
    if slices:
        console.print(build_counts_table([r for r in report[results.SECTION] if not r.is_whole]))
    else:
        parts = len({row.slice for row in report[results.SECTION] if not row.is_whole})
        console.print(f" {count_of(parts, 'slice')}: --slices shows them")


def describe_unanswered(report: Report) -> Iterator[str]:
    """Describes the requests that were not answered, overall and by status."""
    ended = report[requests.SECTION]
    if ended.unanswered:
        share = phrases.format_percent(ended.share, ended.low, ended.high)
        counts = ", ".join(f"{row.status} {row.n:,}" for row in ended.by_status)
        yield f"{ended.unanswered:,} of {ended.n:,} requests not answered ({share}): {counts}"


def describe_gold(report: Report) -> Iterator[str]:
    """Describes the rows of gold sets that belong to no trace of the night."""
    for row in report[results.SECTION]:
        if row.gold and row.lacks_gold:
            rows = f"{row.gold.unmatched:,} of {row.gold.n:,} rows"
            yield f"{row.dimension}: {rows} of its gold set match no trace of this night"


def describe_agreement(report: Report) -> Iterator[str]:
    """Describes the agreement of evaluators with people's labels, and of judges with themselves."""
    for row in report[agreement.SECTION]:
        name = f"{row.dimension} ({row.evaluator})"
        if row.n:
            passes, fails = row.tp + row.fn, row.tn + row.fp
            yield (
                f"{name} against {count_of(row.n, 'label')}: passes {row.tp:,} of {passes:,} that "
                f"people passed, fails {row.tn:,} of {fails:,} that people failed"
                f"{'' if row.usable else '; it may not decide'}"
            )
        if row.noise and row.noise.rate is not None:
            shown = phrases.format_percent(row.noise.rate, row.noise.low, row.noise.high)
            yield f"{name} asked again changes {shown} of its verdicts"


def draw_pooled(
    app: str, nights: Sequence[date], rows: Sequence[PooledResult], *, slices: bool = False
) -> None:
    """Draws the pooled results of an application's nights, and on demand those of slices."""
    console = open_stdout()
    console.print(f" {app}, {nights[0]} to {nights[-1]} pooled")
    shown = [row for row in rows if slices or row.slice == "all"]
    console.print(build_counts_table(shown))
    for row in shown:
        if any(other.is_other_version(row) for other in shown):
            console.print(
                f" {row.dimension} ({row.evaluator}) from {row.first} to {row.last} is of "
                f"evaluator version {row.evaluator_versions[0]}"
            )


def build_counts_table(rows: Sequence[Result] | Sequence[PooledResult]) -> Table:
    """Builds a table of results: their counts and rates."""
    table = Table(box=None)
    counted = ("passed", "failed", "errored", "skipped")
    for name in ("dimension", "evaluator", "slice", *counted, "rate", "95%"):
        table.add_column(name)
    for row in rows:
        counts = map(str, (row.passed, row.failed, row.errored, row.skipped))
        table.add_row(row.dimension, row.evaluator, row.slice, *counts, *describe_rate(row))
    return table


def describe_unscored(report: Report) -> Iterator[str]:
    """Describes traces without a verdict by dimension and code."""
    for row in report[errors.SECTION]:
        outcome = "skipped" if row.status == "skipped" else "errored"
        yield f"{row.dimension} ({row.evaluator}): {row.count:,} {outcome}, {row.code}"
