"""The board in a terminal: nights × applications, in the words of the pages.

Draws what the reports say; figures are never made here.
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from evals.calls.day_budget import BudgetLeft
from evals.calls.requests import CallsResult
from evals.records import Failure, Skip
from evals.reports import phrases
from evals.reports.archive import current_reports, read_report
from evals.reports.pages.marks import VERDICT_MARKS, verdict_of
from evals.reports.pooling import PooledResult
from evals.reports.report import Report
from evals.reports.sections import accounting, errors, results
from evals.reports.sections.accounting import Accounting
from evals.reports.sections.results import Result
from evals.runs.plan import PlannedNight
from evals.storage.lake import Lake
from evals.storage.night_state import OpenNight, open_nights
from evals.storage.report_files import board_file
from orchestration.runtime.console import output

SHOWN_NIGHTS = 14


class Worked(NamedTuple):
    """What a run over nights did."""

    due: Sequence[date]
    calls: int
    failures: Sequence[str] = ()
    final: Sequence[OpenNight] = ()
    """Nights that were provisional before it and no longer are."""


def document(lake: Lake, done: Worked) -> dict[str, Any]:
    """What a nightly run did, as JSON: the nights worked on and their current reports."""
    keys = ("date", "app", "version", "status", "verdict", "gate", "sentence", "cost", "accounting")
    reports = [one for one in current_reports(lake) if one.date in done.due]
    return {
        "nights": sorted({night.isoformat() for night in done.due}),
        "calls": done.calls,
        "reports": [{key: body[key] for key in keys} for body in (r.to_json() for r in reports)],
        "refused": [[f"{r.date}", r.app] for r in reports if r.is_refused],
        "provisional": [[f"{n.date}", n.app, n.until] for n in open_nights(lake)],
        "final": [[f"{n.date}", n.app] for n in done.final],
        "failures": list(done.failures),
        "board": str(board_file(lake)),
    }


def draw(lake: Lake, done: Worked) -> None:
    """The board over the last nights, and where its page is."""
    reports = current_reports(lake)
    console = output()
    if not reports:
        console.print("No reports yet. Put trace exports in a folder and name it with --inbox.")
        return
    nights = sorted({one.date for one in reports})
    apps = sorted({one.app for one in reports})
    demo = "   demo data, recorded answers" if any(one.demo for one in reports) else ""
    counts = f" · {len(nights)} nights · {len(apps)} applications{demo}"
    console.print(Text.assemble(" ", ("Andon", "bold"), counts))
    console.print(grid(reports, nights[-SHOWN_NIGHTS:], apps))
    for app in apps:
        last = [one for one in reports if one.app == app][-1]
        console.print(rates(last))
        for words in unscored(last, "budget"):
            console.print(f" {words}")
    scored = sum(row.scored for one in reports for row in whole(one))
    worked = f"{len(done.due)} nights worked on" if done.due else "nothing new"
    page = board_file(lake)
    console.print(f" {worked}: {done.calls} model calls; {scored:,} scores in these reports")
    for one in open_nights(lake):
        console.print(f" {one.date} {one.app} is provisional until {one.until}")
    for one in done.final:
        console.print(f" {one.date} {one.app} is final")
    console.print(f" board: {page}", soft_wrap=True)


def whole(report: Report) -> list[Result]:
    """A report's rows over all traces."""
    return [row for row in report[results.SECTION] if row.is_whole]


def grid(reports: Sequence[Report], nights: Sequence[date], apps: Sequence[str]) -> Table:
    """A mark for each night of each application, and the last night in words."""
    table = Table(box=None, pad_edge=True)
    table.add_column("app", style="bold", no_wrap=True)
    for number, night in enumerate(nights):
        shown = f"{night:%m-%d}" if number in (0, len(nights) - 1) else f"{night:%d}"
        table.add_column(shown, justify="center", no_wrap=True)
    table.add_column("last night", overflow="fold", min_width=40)
    found = {(one.app, one.date): one for one in reports}
    for app in apps:
        marks = [mark(found.get((app, night))) for night in nights]
        last = [one for one in reports if one.app == app][-1]
        table.add_row(app, *marks, last.sentence)
    return table


def mark(report: Report | None) -> str:
    """The mark of a night's verdict; a gap where there is no report."""
    return "" if report is None else VERDICT_MARKS[verdict_of(report)]


def rates(report: Report) -> Table:
    """An application's dimensions on its last night: rate, interval, change, verdict."""
    table = Table(box=None, title_justify="left")
    table.title = f" {report.app} · {report.date} · gate {report.gate.outcome}"
    for name in ("dimension", "evaluator", "pass", "95% interval", "change", "n", "verdict"):
        right = name in ("pass", "95% interval", "change", "n")
        table.add_column(name, justify="right" if right else "left", no_wrap=not right)
    for row in whole(report):
        table.add_row(
            row.dimension,
            row.evaluator,
            *rate_words(row),
            phrases.points(row.change, row.change_low, row.change_high),
            f"{row.scored:,}",
            row.verdict if row.decides else f"{row.verdict} (not gating)",
        )
    return table


def rate_words(row: Result | PooledResult) -> tuple[str, str]:
    """A rate and its interval; of an unequal sample the weighted one, which comparisons use."""
    rate = row.compared
    shown = phrases.percent(rate.rate, rate.low, rate.high)
    return f"{shown} weighted" if row.weighted else shown, phrases.interval(rate.low, rate.high)


def draw_report(report: Report) -> None:
    """A report in the terminal."""
    console = output()
    console.print(f" {report.date} {report.app} {report.version}: {report.sentence}")
    console.print(counts_table(report[results.SECTION]))
    for words in unscored(report):
        console.print(f" {words}")


def draw_pooled(app: str, nights: Sequence[date], rows: Sequence[PooledResult]) -> None:
    """Several nights of an application, pooled, in the terminal."""
    console = output()
    console.print(f" {app}, {nights[0]} to {nights[-1]} pooled")
    console.print(counts_table(rows))


def counts_table(rows: Sequence[Result] | Sequence[PooledResult]) -> Table:
    """What was counted, row by row, with the rate of it."""
    table = Table(box=None)
    counted = ("passed", "failed", "errored", "skipped")
    for name in ("dimension", "evaluator", "slice", *counted, "rate", "95%"):
        table.add_column(name)
    for row in rows:
        counts = map(str, (row.passed, row.failed, row.errored, row.skipped))
        table.add_row(row.dimension, row.evaluator, row.slice, *counts, *rate_words(row))
    return table


def unscored(report: Report, only: str | None = None) -> Iterator[str]:
    """Why traces of a night have no verdict, in a line a dimension and code, or of `only` one."""
    for row in report[errors.SECTION]:
        if only in (None, row.code):
            done = "skipped" if row.status == "skipped" else "errored"
            yield f"{row.dimension} ({row.evaluator}): {row.count:,} {done}, {row.code}"


def draw_plan(
    rows: Sequence[PlannedNight], left: dict[str, BudgetLeft], probed: CallsResult | None
) -> None:
    """A plan in the terminal, one line an evaluator of an application.

    Args:
        rows: the plan.
        left: what today's budget has left, by application.
        probed: the questions asked so that it could be told, if any were.
    """
    table = Table(box=None)
    shown = ("evaluator", "app", "nights", "to score", "reused", "calls", "tokens", "US$")
    for name in (*shown, "changed"):
        table.add_column(name, overflow="fold")
    for evaluator, app in sorted({(row.evaluator, row.app) for row in rows}):
        own = [row for row in rows if (row.evaluator, row.app) == (evaluator, app)]
        changed = sorted({part for row in own for part in row.changed})
        counts = [sum(getattr(row, key) for row in own) for key in ("count", "reused", "calls")]
        tokens = sum(row.tokens_in + row.tokens_out for row in own)
        cost = [f"{tokens:,}", dollars(own)]
        cells = [str(len(own)), *map(str, counts), *cost, ", ".join(changed) or "nothing"]
        table.add_row(evaluator, app, *cells)
    console = output()
    console.print(table)
    for line in (*probed_words(probed), *cost_words(rows, left), *batch_words(rows)):
        console.print(f" {line}")


def probed_words(probed: CallsResult | None) -> Iterator[str]:
    """What was asked so that a plan could be told, and why no more."""
    if probed:
        yield f"asked {probed.calls} questions to know more; answers are kept"
    match probed and probed.rest:
        case Skip(reason):
            yield f"no more were asked: {reason}"
        case Failure(_, message):
            yield f"no more were asked: {message}"


def cost_words(rows: Sequence[PlannedNight], left: dict[str, BudgetLeft]) -> Iterator[str]:
    """What a plan comes to, what that was told from, and where the day's budget is short."""
    asking = [row for row in rows if row.calls]
    bases = sorted({row.basis for row in asking})
    told = f", told from {' and '.join(bases)}" if bases else ""
    yield f"{sum(row.calls for row in asking)} model calls in all, US$ {dollars(rows)}{told}"
    guessed = [row for row in asking if row.usd is not None and row.margin is None]
    if guessed:
        names = ", ".join(sorted({row.evaluator for row in guessed}))
        most = sum(row.most or 0.0 for row in guessed)
        yield f"a guess for {names}: too few of its answers are known; at most US$ {most:.4f}"
        yield "`--dry-run --probe 20` asks 20 questions, keeps their answers, and knows more"
    for app, room in left.items():
        over = beyond(room, [row for row in asking if row.app == app])
        if over:
            yield f"{app}: today's budget has {over} left; the report names the rest"


def batch_words(rows: Sequence[PlannedNight]) -> Iterator[str]:
    """What of a plan goes by batch, what could, and what is still awaited."""
    by_batch = sum(row.calls for row in rows if row.via == "batch")
    if by_batch:
        yield f"{by_batch} of them by batch, at a batch's price"
    live = [row for row in rows if row.via == "live" and row.usd_other is not None and row.usd]
    if live:
        usd, cheap = (sum(getattr(row, key) for row in live) for key in ("usd", "usd_other"))
        yield f"live US$ {usd:.4f}; by batch US$ {cheap:.4f} (`via: batch` in a judge)"
    awaited = sum(row.awaited for row in rows)
    if awaited:
        yield f"{awaited} answers awaited from batches; `andon batches list` shows them"


def beyond(room: BudgetLeft, rows: Sequence[PlannedNight]) -> str:
    """What a day's budget has left, where rows of a plan want more; empty where it has room."""
    usd, calls = sum(row.usd or 0.0 for row in rows), sum(row.calls for row in rows)
    short = [f"US$ {room.usd:.4f}"] if room.usd is not None and usd > room.usd else []
    short += [f"{room.calls:,} calls"] if room.calls is not None and calls > room.calls else []
    return " and ".join(short)


def dollars(rows: Sequence[PlannedNight]) -> str:
    """What rows of a plan would cost; what has no known price is said, not counted as free."""
    known = sum(row.usd or 0.0 for row in rows)
    unknown = sum(row.calls for row in rows if row.usd is None)
    away = sum(row.margin or 0.0 for row in rows)
    guessed = any(row.usd and row.margin is None for row in rows)
    told = f"~{known:.4f}" if guessed else f"{known:.4f} ± {away:.4f}" if away else f"{known:.4f}"
    if not unknown:
        return told
    return f"{told} + {unknown} calls of unknown price" if known else "unknown price"


def describe_data(before: Accounting, after: Accounting) -> str:
    """What changed of the traces themselves: how many, and what came late or corrected."""
    pairs = {
        "read": (before.read, after.read),
        "accepted": (before.accepted, after.accepted),
        "duplicate": (before.duplicate, after.duplicate),
        "quarantined": (before.quarantined, after.quarantined),
    }
    counts = [f"{key} {was} → {now}" for key, (was, now) in pairs.items() if was != now]
    fresh = [row for row in after.late if row not in before.late]
    counts += [f"{r.late} late, {r.corrected} corrected, read {r.seen}" for r in fresh]
    return f"data: the traces changed ({'; '.join(counts) or 'their checks'})"


def versions(lake: Lake, night: date, app: str) -> list[dict[str, Any]]:
    """What moved from each version of a night's report to the next, oldest first."""
    folders = lake.report_folder(night, app).glob("*/run.json")
    ordered = sorted(folders, key=lambda path: (path.read_text(), path.parent.name))
    names = [path.parent.name for path in ordered]
    steps = []
    for before, after in itertools.pairwise(names):
        one, other = (read_report(lake, night, app, name) for name in (before, after))
        if one and other:
            steps.append({"before": before, "after": after, "moved": moved(one, other)})
    return steps


def moved(one: Report, other: Report) -> list[str]:
    """What differs between two versions of a report, with the cause where it is known."""
    words = list[str]()
    before = {row.key: row for row in whole(one)}
    for row in whole(other):
        old, name = before.get(row.key), f"{row.dimension} ({row.evaluator})"
        if old is None:
            words.append(f"{name} is new")
            continue
        if old.evaluator_version != row.evaluator_version:
            words.append(f"{name}: the evaluator changed")
        pairs = {
            "passed": (old.passed, row.passed),
            "failed": (old.failed, row.failed),
            "errored": (old.errored, row.errored),
            "skipped": (old.skipped, row.skipped),
        }
        words += [f"{name}: {key} {was} → {now}" for key, (was, now) in pairs.items() if was != now]
    was, now = one[accounting.SECTION], other[accounting.SECTION]
    return [*words, describe_data(was, now)] if was != now else words
