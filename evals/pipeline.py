"""The named steps of a night, called by the command line, the assets and the sensors alike.

Each step is idempotent. The packages below do the work; the orchestration decides when and where
a step runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evals.intake import ReportProgress, ignore_progress
from evals.labels.mapped_labels import map_labels
from evals.reports.finalize import FinalNight
from evals.runs import night_locks
from evals.specs import Catalog, CatalogError
from evals.storage import marts, night_state
from evals.storage.label_records import read_labels
from evals.storage.lake import HomeInUse, Lake
from evals.storage.scratch import delete_leftovers
from evals.table_rows import SliceRow

if TYPE_CHECKING:
    from evals.calls.stop import Stop
    from evals.digests.sending import DigestRun, Limits
    from evals.evaluators.gold import GoldAndLabels
    from evals.runs.runner import Tally
    from evals.specs import Evaluator
    from evals.topics.night_requests import RequestCounts

CountCalls = Callable[[int], None]


def prepare_home(lake: Lake, catalog: Catalog, now: datetime) -> list[str]:
    """Claims the home, and completes what earlier runs left: bookings, scratch files, erasures.

    Files that are damaged are made again from others; returns a sentence for each that cannot be.
    """
    claim_home(lake, catalog)
    lost = mend_home(lake, catalog)
    recover_budget(lake, now.date())
    delete_leftovers(lake, now.timestamp())
    finish_erasures(lake, catalog)
    return lost


def mend_home(lake: Lake, catalog: Catalog) -> list[str]:
    """Makes damaged files again; returns a sentence for each that cannot be."""
    from evals.repair import mending

    with lake.lock_home(), lake.lock("mending"):
        return mending.mend_home(lake, catalog)


class Undamaged(NamedTuple):
    """The nights that can be evaluated."""

    nights: list[date]
    lost: list[str]
    """A sentence for each file that another night needs and that is damaged."""


def leave_out_damaged(
    lake: Lake, catalog: Catalog, nights: Sequence[date], *, only_due: bool = True
) -> Undamaged:
    """Leaves out the nights that need a damaged file, so that the others go on.

    Args:
        lake: the home.
        catalog: the catalog.
        nights: the nights.
        only_due: whether nights that are not due are evaluated no more, and need nothing.
    """
    from evals.repair import needed_files

    intact: list[date] = []
    lost: dict[str, None] = {}
    for night in nights:
        found = needed_files.find_lost(lake, catalog, night, only_due=only_due)
        lost |= dict.fromkeys(found)
        intact += [] if found else [night]
    return Undamaged(intact, list(lost))


def group_runs(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> list[tuple[date, date]]:
    """Returns the ranges of nights that can share a run.

    A night that needs a damaged file has a run of its own, which fails and names the file.
    """
    intact = leave_out_damaged(lake, catalog, nights).nights
    alone = [(night, night) for night in nights if night not in intact]
    return sorted([*night_state.group_consecutive(intact), *alone])


def claim_home(lake: Lake, catalog: Catalog) -> None:
    """Checks that home and catalog are both the demo's, or both a team's.

    Raises:
        OtherContents: the demo would enter a team's home, or a team's traces the demo's.
    """
    from evals.reports.archive import read_current_reports
    from evals.storage.documents.home_contents import claim_contents, read_contents

    contents = read_contents(lake)
    if contents is None and (reports := read_current_reports(lake)):
        contents = "demo" if any(report.demo for report in reports) else "team"
    claim_contents(lake, contents, "demo" if catalog.demo else "team")


def recover_budget(lake: Lake, day: date | None = None) -> None:
    """Books the spending of killed runs, and moves their answers into the ledger."""
    from evals.calls import day_budget

    day_budget.recover_runs(lake, day)


def finish_erasures(lake: Lake, catalog: Catalog) -> None:
    """Completes every erasure that was begun, unless the home is in use."""
    from evals.erasure import forget

    with contextlib.suppress(HomeInUse):
        forget.finish_requests(lake, catalog)


def find_due_nights(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> list[date]:
    """Finds the nights that have work to do, oldest first."""
    return [pending.night for pending in night_locks.find_pending_nights(lake, catalog, nights)]


def admit_nights(
    lake: Lake,
    catalog: Catalog,
    nights: Sequence[date],
    report: ReportProgress = ignore_progress,
    *,
    strict: bool = False,
) -> list[date]:
    """Validates the nights that are due; returns the nights that are due afterwards.

    A trace may move from one night to another, which is then due as well.

    Args:
        lake: has the staged rows.
        catalog: declares what a valid row is.
        nights: the nights to check.
        report: called with a description of each step.
        strict: whether a failed validation raises; otherwise only the night's own run fails.
    """
    due: list[date] = []
    while (now_due := find_due_nights(lake, catalog, nights)) != due:
        from evals.validation import admission

        due = now_due
        report("validating with Great Expectations")
        try:
            admission.admit_nights(lake, catalog, due)
        except CatalogError:
            raise
        except Exception as error:
            if strict:
                raise
            report(f"validation stopped ({type(error).__name__}); the night's run shows why")
    return due


def describe_requests(lake: Lake, catalog: Catalog, night: date) -> RequestCounts:
    """Assigns a night's requests to topics, and finds those that were not met.

    Nights come oldest first: topics are made from a night and those before it.
    """
    from evals.topics import night_requests

    return night_requests.describe_night(lake, night, catalog.embedding_folder)


def score_nights(
    lake: Lake,
    catalog: Catalog,
    references: GoldAndLabels,
    nights: Iterable[date],
    run_id: str,
    now: datetime,
    *,
    includes: Callable[[Evaluator], bool] = lambda evaluator: True,
    stop: Stop | None = None,
    expect: CountCalls = lambda calls: None,
    progress: CountCalls = lambda calls: None,
) -> list[Tally]:
    """Brings the scores of some nights up to date, calling models only for missing answers.

    Args:
        lake: has the traces, answers and scores.
        catalog: the pins, prices and budgets.
        references: gold and labels.
        nights: the nights, in turn.
        run_id: the run that pays.
        now: the present, whose day's budget is used.
        includes: which of a night's evaluators are scored.
        stop: stops the run during calls.
        expect: as in `ScoringRun`.
        progress: as in `ScoringRun`.

    Raises:
        Stopped: when it was stopped; each night keeps its former scores, and the answers so far
            are stored.
    """
    from evals.calls import day_budget
    from evals.calls.routing import Route, take_back_batches
    from evals.calls.stop import Stop
    from evals.runs import runner
    from evals.storage import ledger
    from evals.worklist.night_contents import NightTraces

    recover_budget(lake)
    route = Route(lake, catalog, now, stop=stop or Stop())
    tallies: list[Tally] = []
    with (
        day_budget.open_budget(lake, run_id, now.date(), catalog) as budget,
        ledger.open_journal(lake, run_id) as journal,
    ):
        take_back_batches(lake, catalog, journal, now)
        run = runner.ScoringRun(lake, references, journal, route, budget, expect, progress)
        for night in nights:
            traces = NightTraces(lake, night)
            locked = list_locked(lake, catalog, night, traces.apps)
            tallies += runner.score_evaluators(run, traces, list(filter(includes, locked)))
    return tallies


def list_locked(
    lake: Lake, catalog: Catalog, night: date, apps: Iterable[str]
) -> Iterator[Evaluator]:
    """Yields the evaluators that a night of some applications is locked to."""
    for app in apps:
        yield from night_locks.lock_evaluators(lake, catalog, night, app)


def fill_warehouse(lake: Lake, catalog: Catalog, run_id: str, nights: Sequence[date]) -> Path:
    """Writes the tables that dbt reads into the run's scratch DuckDB file."""
    labels = read_labels(lake)
    mapped = {night: map_labels(lake, catalog, labels, night) for night in nights}
    for night, rows in mapped.items():
        marts.store_mapped_labels(lake, night, rows)
    every = [row for rows in mapped.values() for row in rows if row.decides]
    return marts.fill_scratch_file(
        lake, run_id, nights, every, list_slice_rows(catalog), set(catalog.broken)
    )


def list_slice_rows(catalog: Catalog) -> list[SliceRow]:
    """Returns the catalog's slices as dbt reads them."""
    rows: list[SliceRow] = []
    for spec in catalog.slices:
        kind = "by" if spec.by else "where" if spec.where else "keyword"
        expression = spec.by or spec.where or spec.keyword or ""
        rows += [SliceRow(app, spec.slice, kind, expression) for app in spec.apps or ("*",)]
    return rows


def close_nights(lake: Lake, now: datetime) -> list[FinalNight]:
    """Makes nights final whose time for late rows is over, and returns each of them once."""
    if not night_state.list_provisional_nights(lake):
        return []
    from evals.reports import finalize

    return finalize.close_nights(lake, now)


def record_missing_nights(lake: Lake, catalog: Catalog, now: datetime) -> None:
    """Records the missing nights and due analyses; renders the board again if they changed."""
    from evals.error_analysis.due import record_due_analyses
    from evals.reports import board_pages
    from evals.reports.missing_nights import find_missing_nights
    from evals.storage.documents.missing_nights import write_missing_nights

    has_missing = write_missing_nights(lake, find_missing_nights(lake, catalog, now))
    if record_due_analyses(lake, catalog, now) or has_missing:
        board_pages.write_board(lake)


def send_digests(
    lake: Lake, catalog: Catalog, now: datetime, limits: Limits | None = None
) -> DigestRun:
    """Sends the messages about nights that are due, each once to each target."""
    from evals.digests import sending

    return sending.send_digests(lake, catalog, now, limits or sending.LIMITS)


def send_heartbeat(catalog: Catalog) -> str | None:
    """Requests the catalog's heartbeat after a nightly run that succeeded; returns what failed."""
    if catalog.digest.heartbeat is None:
        return None
    from evals.digests import heartbeat

    return heartbeat.send_heartbeat(catalog)


def apply_retention(lake: Lake, catalog: Catalog, now: datetime) -> None:
    """Deletes data older than the catalog's `retention`, unless the home is in use."""
    from evals.erasure import retention

    expired = retention.find_expired(lake, catalog, now)
    with contextlib.suppress(HomeInUse):
        if expired:
            retention.delete_expired(lake, expired, catalog)
