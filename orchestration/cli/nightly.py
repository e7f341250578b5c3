"""Commands that evaluate nights: nightly, plan, backfill.

The steps of a night are in `evals.pipeline`, its plan in `evals.runs.plan`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, NoReturn, ParamSpec, TypeVar

import click

from orchestration.cli.lookups import open_existing
from orchestration.cli.options import (
    DAY,
    DONE,
    INFRASTRUCTURE,
    USAGE,
    NightRange,
    Place,
    describe_problem,
    fail,
    json_option,
    night_options,
    read_options,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.runtime.progress import Listener, Progress, open_listener
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.calls.day_budget import BudgetLeft
    from evals.calls.requests import CallsResult
    from evals.pipeline import Intake
    from evals.runs.plan import PlannedNight
    from evals.specs import Catalog
    from evals.storage.lake import Lake
    from evals.storage.night_state import ProvisionalNight
    from evals.validation.row_summary import RowSummary
    from orchestration.cli.board import Outcome

P = ParamSpec("P")
R = TypeVar("R")

probe_option = click.option(
    "--probe",
    type=click.IntRange(1),
    metavar="N",
    help="With --dry-run: make N calls of judges without answers so far, and keep the answers.",
)


def intake_options(
    command: Callable[Concatenate[Settings, NightRange, Intake, P], R],
) -> Callable[Concatenate[Settings, NightRange, ...], R]:
    """Adds the options of what is imported; passes an `Intake` after the range of nights."""

    @click.option("--inbox", type=Place(), help="Exports to read: a folder, pattern or address.")
    @click.option(
        "--labels",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="Labels to add.",
    )
    @click.option("--assume-date", type=DAY, help="The night of rows that have no timestamp.")
    @click.option(
        "--spread", nargs=2, type=DAY, help="Spread rows without a timestamp over nights."
    )
    @click.option("--no-pull", is_flag=True, help="Do not pull from the catalog's sources.")
    @functools.wraps(command)
    def run_command(
        settings: Settings,
        nights: NightRange,
        inbox: Path | str | None,
        labels: tuple[Path, ...],
        assume_date: date | None,
        spread: tuple[date, date] | None,
        no_pull: bool,
        *args: P.args,
        **options: P.kwargs,
    ) -> R:
        intake = build_intake(assume_date, spread, pull=not no_pull)
        settings = read_options(inbox=inbox, labels=labels)
        intake = intake._replace(inbox=settings.inbox, labels=settings.labels)
        return command(settings, nights, intake, *args, **options)

    return run_command


@click.command()
@settings_options
@night_options
@intake_options
@click.option(
    "--dry-run", is_flag=True, help="Import what is new, show what its calls would cost, and stop."
)
@probe_option
@json_option
def nightly(
    settings: Settings,
    nights: NightRange,
    intake: Intake,
    dry_run: bool,
    probe: int | None,
    as_json: bool,
) -> None:
    """Pulls, imports, evaluates and reports every night that has something new.

    Exit codes: 0 done, 2 usage, 4 infrastructure or a broken application, 130 or 143
    interrupted; `andon gate` checks quality. An application whose catalog is broken is evaluated
    once that is fixed; the others are reported. An interrupted run keeps the answers it paid
    for, and the next run resumes from there.

    \b
    Examples:
      andon nightly
      andon nightly --inbox exports/ --labels labels.jsonl.gz --catalog catalog/
      andon nightly --from 2026-10-01 --to 2026-10-07 --json
      andon nightly --dry-run
      andon nightly --dry-run --probe 20
    """
    from evals import pipeline
    from evals.runs import night_locks
    from evals.storage import night_state
    from evals.storage.documents.inbox_files import read_inbox_files

    refuse_probe_of_run(probe, dry_run)
    cat, lake = settings.load_catalog(), settings.open_lake()
    broken = print_problems(cat)
    was_open, were_read = night_state.list_provisional_nights(lake), set(read_inbox_files(lake))
    warnings: list[str] = []
    with open_listener(as_json) as listener:
        pipeline.prepare_home(lake, cat, datetime.now(UTC))
        failures = pipeline.import_intake(
            lake, cat, intake, datetime.now(UTC), listener, warnings.append
        )
        begun = nights.select(night_locks.list_begun_nights(lake, cat, datetime.now(UTC)))
        due = pipeline.admit_nights(lake, cat, begun, listener, strict=dry_run)
        calls, failed = (0, []) if dry_run else run_ranges(settings, "nightly", due, listener)
    for warning in warnings:
        terminal.print_error(warning)
    if dry_run:
        print_plan(settings, due, probe=probe, moved=False, as_json=as_json)
        sys.exit(INFRASTRUCTURE if broken else DONE)
    pipeline.close_nights(lake, datetime.now(UTC))
    pipeline.apply_retention(lake, cat, datetime.now(UTC))
    pipeline.record_missing_nights(lake, cat, datetime.now(UTC))
    refuse_empty_night(lake, nights.only)
    outcome = build_outcome(due, calls, [*failures, *failed, *broken])._replace(
        final=find_newly_final(lake, was_open), rows=summarize_rows(lake, cat, were_read, due)
    )
    print_result(lake, outcome, as_json)


def summarize_rows(
    lake: Lake, catalog: Catalog, were_read: Collection[str], due: Collection[date]
) -> RowSummary:
    """Sums up the rows of files that were read since, and of the nights that were due."""
    from evals.storage.documents.inbox_files import read_inbox_files
    from evals.validation.row_summary import summarize_files

    files = [file for sha, file in read_inbox_files(lake).items() if sha not in were_read]
    return summarize_files(lake, catalog, files, due)


def build_outcome(due: list[date], calls: int, failures: list[str]) -> Outcome:
    """Returns the outcome of a run over some nights."""
    from orchestration.cli.board import Outcome

    return Outcome(due, calls, failures)


def refuse_empty_night(lake: Lake, only: date | None) -> None:
    """Fails where the night asked for by `--date` has no report of any application."""
    from evals.reports.archive import read_current_reports
    from orchestration.cli import row_notes

    if only and not any(report.date == only for report in read_current_reports(lake)):
        fail(
            INFRASTRUCTURE,
            f"no application has traces for {only}, so there is no report; check their exports"
            f"{row_notes.explain_absence(lake, night=only)}",
        )


def build_intake(
    assume_date: date | None, spread: tuple[date, date] | None, *, pull: bool
) -> Intake:
    """Builds the intake that the options describe, without inbox and labels."""
    from evals.pipeline import Intake

    if spread and assume_date:
        raise click.UsageError("--assume-date and --spread exclude each other; give one")
    if spread and spread[1] < spread[0]:
        raise click.UsageError("--spread ends before it begins; give the first night first")
    return Intake(assume_date=assume_date, spread=spread, pull=pull)


def run_ranges(
    settings: Settings, job: str, nights: list[date], listener: Listener
) -> tuple[int, list[str]]:
    """Runs a job over nights, one run per range of consecutive ones.

    Returns:
        The number of calls, and a sentence for each failure.
    """
    from evals.storage import night_state

    calls, failures = 0, list[str]()
    for first, last in night_state.group_consecutive(nights):
        from orchestration.cli.launch import run_job

        result = run_job(settings.home, job, first, last, listener)
        calls += result.calls
        failures += result.failures
    return calls, failures


def print_plan(
    settings: Settings,
    nights: list[date],
    names: tuple[str, ...] | None = None,
    *,
    probe: int | None = None,
    moved: bool = True,
    as_json: bool,
) -> None:
    """Prints the calls and the cost of evaluating nights; makes no calls but those of `probe`."""
    from evals.calls import day_budget
    from evals.runs import plan
    from orchestration.runtime.interrupts import Interrupts

    lake, catalog, now = settings.open_lake(), settings.load_catalog(), datetime.now(UTC)
    scope = plan.PlanScope(lake, catalog, settings.load_references(lake), nights, names, moved)
    probed = None
    if probe:
        counted, stop = Progress.count_calls, Interrupts.stop
        probed = plan.probe_judges(scope, probe, now, progress=counted, stop=stop)
    rows = plan.plan_nights(scope, now)
    apps = sorted({row.app for row in rows if row.calls})
    left = {app: day_budget.read_budget_left(lake, catalog, now.date(), app) for app in apps}
    if not as_json:
        from orchestration.cli import board

        board.draw_plan(rows, left, probed)
        return
    terminal.print_json(describe_plan(rows, left, probed))


def describe_plan(
    rows: Sequence[PlannedNight], left: Mapping[str, BudgetLeft], probed: CallsResult | None
) -> dict[str, object]:
    """A plan as JSON: its sums, the rest of each budget, and its rows."""
    prices = [row.usd for row in rows if row.usd is not None]
    return {
        "calls": sum(row.calls for row in rows),
        "tokens_in": sum(row.tokens_in for row in rows),
        "tokens_out": sum(row.tokens_out for row in rows),
        "usd": round(sum(prices), 9),
        "unpriced_calls": sum(row.calls for row in rows if row.usd is None),
        "probed": probed.calls if probed else 0,
        "budget_left": {app: budget._asdict() for app, budget in left.items()},
        "plan": [asdict(row) for row in rows],
    }


def refuse_probe_of_run(probe: int | None, dry_run: bool) -> None:
    """Refuses `--probe` without `--dry-run`: a run makes all calls anyway."""
    if probe and not dry_run:
        raise click.UsageError("--probe needs --dry-run; a run makes all calls itself")


def print_problems(catalog: Catalog) -> list[str]:
    """Prints the problems of the catalog before anything is read; returns them as sentences."""
    sentences = [describe_problem(problem) for problem in catalog.problems]
    for sentence in sentences:
        terminal.print_error(sentence)
    return sentences


def find_newly_final(lake: Lake, was_open: list[ProvisionalNight]) -> list[ProvisionalNight]:
    """Finds the nights that were open and are final now."""
    from evals.storage import night_state

    still = {(night.date, night.app) for night in night_state.list_provisional_nights(lake)}
    return [night for night in was_open if (night.date, night.app) not in still]


def print_result(lake: Lake, outcome: Outcome, as_json: bool) -> NoReturn:
    """Prints the board and the failures, then ends with the documented exit code."""
    from orchestration.cli import board

    if as_json:
        terminal.print_json(board.describe_outcome(lake, outcome))
    else:
        board.draw_board(lake, outcome)
    for failure in outcome.failures:
        terminal.print_error(failure)
    sys.exit(INFRASTRUCTURE if outcome.failures else DONE)


@click.command()
@settings_options
@night_options
@click.option("--evaluator", multiple=True, help="Only these evaluators.")
@json_option
def plan(
    settings: Settings,
    nights: NightRange,
    evaluator: tuple[str, ...],
    as_json: bool,
) -> None:
    """Shows the calls and the cost of moving nights to the catalog's evaluator versions.

    Makes no calls.

    \b
    Examples:
      andon plan
      andon plan --evaluator faithful-summary --from 2026-10-01 --json
    """
    broken = print_problems(settings.load_catalog())
    chosen = nights.select(open_existing(settings).list_nights("traces"))
    check_names(settings, evaluator)
    print_plan(settings, chosen, evaluator or None, as_json=as_json)
    sys.exit(INFRASTRUCTURE if broken else DONE)


@click.command()
@settings_options
@night_options
@click.option(
    "--evaluator", multiple=True, help="Only these evaluators; default: all that changed."
)
@click.option("--dry-run", is_flag=True, help="Show the calls and the cost, and stop.")
@probe_option
@json_option
def backfill(
    settings: Settings,
    nights: NightRange,
    evaluator: tuple[str, ...],
    dry_run: bool,
    probe: int | None,
    as_json: bool,
) -> None:
    """Moves nights to the catalog's evaluator versions and reports them again.

    Each report is a new version beside the old one; only changed evaluators make calls.

    \b
    Examples:
      andon backfill --evaluator faithful-summary --from 2026-10-08 --to 2026-10-14
      andon backfill --dry-run
    """
    from evals import pipeline

    lake = open_existing(settings)
    refuse_probe_of_run(probe, dry_run)
    check_names(settings, evaluator)
    catalog, chosen = settings.load_catalog(), nights.select(lake.list_nights("traces"))
    broken = print_problems(catalog)
    if dry_run:
        print_plan(settings, chosen, evaluator or None, probe=probe, as_json=as_json)
        sys.exit(INFRASTRUCTURE if broken else DONE)
    pipeline.prepare_home(lake, catalog, datetime.now(UTC))
    move_locks(lake, catalog, chosen, evaluator or None)
    due = pipeline.find_due_nights(lake, catalog, chosen) if evaluator else chosen
    with open_listener(as_json) as listener:
        calls, failures = run_ranges(settings, "rescore", due, listener)
    print_result(lake, build_outcome(due, calls, [*failures, *broken]), as_json)


def move_locks(
    lake: Lake, catalog: Catalog, nights: list[date], names: tuple[str, ...] | None
) -> None:
    """Moves the locks of nights that were not refused to the catalog's evaluator versions."""
    from evals.runs import night_locks
    from evals.storage import night_state

    for night in nights:
        apps = night_state.read_state(lake, night).apps
        for app in (name for name, account in apps.items() if not account["refused"]):
            night_locks.move_lock(lake, catalog, night, app, names)


def check_names(settings: Settings, names: tuple[str, ...]) -> None:
    """Ends the command where the catalog does not declare an evaluator."""
    from evals.evaluators import resolution

    declared = resolution.list_evaluators(settings.load_catalog())
    for name in names:
        if name not in declared:
            fail(USAGE, f"no evaluator {name!r} in the catalog; declared: {', '.join(declared)}")


COMMANDS = (nightly, plan, backfill)
