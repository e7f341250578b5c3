"""The command nightly, and the runs over nights that it shares with backfill.

The steps of a night are in `evals.pipeline`, its plan in `plans`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, NoReturn, ParamSpec, TypeVar

import click

from orchestration.cli.options import (
    DAY,
    DONE,
    INFRASTRUCTURE,
    NightRange,
    Place,
    fail,
    json_option,
    night_options,
    read_options,
    settings_options,
)
from orchestration.cli.plans import print_plan, print_problems, probe_option, refuse_probe_of_run
from orchestration.runtime import terminal
from orchestration.runtime.progress import Listener, open_listener
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.ingest.inbox import PassedOver
    from evals.intake import Intake
    from evals.specs import Catalog
    from evals.storage.lake import Lake
    from evals.storage.night_state import ProvisionalNight
    from evals.validation.row_summary import RowSummary
    from orchestration.cli.board import Outcome

P = ParamSpec("P")
R = TypeVar("R")


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
    from evals.intake import import_intake
    from evals.runs import night_locks
    from evals.storage import night_state
    from evals.storage.documents.inbox_files import read_inbox_files

    refuse_probe_of_run(probe, dry_run)
    cat, lake = settings.load_catalog(), settings.open_lake()
    broken = print_problems(cat)
    warnings: list[str] = []
    with open_listener(as_json) as listener:
        failures = pipeline.prepare_home(lake, cat, datetime.now(UTC))
        was_open = night_state.list_provisional_nights(lake)
        were_read = set(read_inbox_files(lake))
        failures += import_intake(lake, cat, intake, datetime.now(UTC), listener, warnings.append)
        begun = nights.select(night_locks.list_begun_nights(lake, cat, datetime.now(UTC)))
        begun, lost = pipeline.leave_out_damaged(lake, cat, begun)
        failures = [*dict.fromkeys([*failures, *lost])]
        due = pipeline.admit_nights(lake, cat, begun, listener, strict=dry_run)
        calls, failed = (0, []) if dry_run else run_ranges(settings, "nightly", due, listener)
    for warning in (*warnings, *list_gold_problems(lake, cat, due)):
        terminal.print_error(warning)
    if dry_run:
        print_plan(settings, due, probe=probe, moved=False, as_json=as_json)
        sys.exit(INFRASTRUCTURE if broken else DONE)
    finish_nights(lake, cat)
    refuse_empty_night(lake, nights.only)
    outcome = build_outcome(due, calls, [*failures, *failed, *broken])._replace(
        final=find_newly_final(lake, was_open),
        rows=summarize_rows(lake, cat, were_read, due)._replace(
            passed_over=find_passed_over(lake, cat, intake.inbox)
        ),
    )
    print_result(lake, cat, outcome, as_json, heartbeat=True)


def list_gold_problems(lake: Lake, catalog: Catalog, due: Collection[date]) -> list[str]:
    """Lists what is wrong with gold sets, where any night was due."""
    from evals.evaluators.gold_checks import describe_gold

    return list(describe_gold(lake, catalog)) if due else []


def finish_nights(lake: Lake, catalog: Catalog) -> None:
    """Makes old nights final, deletes what is too old, and records missing nights."""
    from evals import pipeline

    pipeline.close_nights(lake, datetime.now(UTC))
    pipeline.apply_retention(lake, catalog, datetime.now(UTC))
    pipeline.record_missing_nights(lake, catalog, datetime.now(UTC))


def summarize_rows(
    lake: Lake, catalog: Catalog, were_read: Collection[str], due: Collection[date]
) -> RowSummary:
    """Sums up the rows of files that were read since, and of the nights that were due."""
    from evals.storage.documents.inbox_files import read_inbox_files
    from evals.validation.row_summary import summarize_files

    files = [file for sha, file in read_inbox_files(lake).items() if sha not in were_read]
    return summarize_files(lake, catalog, files, due)


def find_passed_over(lake: Lake, catalog: Catalog, inbox: Path | str | None) -> list[PassedOver]:
    """Finds the entries of the inboxes of a run that it did not read."""
    from evals.ingest.inbox import list_inboxes, list_passed_over

    places = list_inboxes(lake, catalog, inbox)
    return [entry for place in places for entry in list_passed_over(place)]


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
    from evals.intake import Intake

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


def find_newly_final(lake: Lake, was_open: list[ProvisionalNight]) -> list[ProvisionalNight]:
    """Finds the nights that were open and are final now."""
    from evals.storage import night_state

    still = {(night.date, night.app) for night in night_state.list_provisional_nights(lake)}
    return [night for night in was_open if (night.date, night.app) not in still]


def print_result(
    lake: Lake, catalog: Catalog, outcome: Outcome, as_json: bool, *, heartbeat: bool = False
) -> NoReturn:
    """Prints the board and the failures, sends the digest, then ends with the exit code.

    A message or a heartbeat that could not be sent is printed and changes no exit code.
    """
    from evals.reports.archive import read_current_reports
    from evals.runs.catalog_changes import find_catalog_changes
    from orchestration.cli import board, shortfalls

    due = [report for report in read_current_reports(lake) if report.date in outcome.due]
    failures = (*outcome.failures, *shortfalls.describe_outages(due))
    outcome = outcome._replace(failures=failures)
    if as_json:
        terminal.print_json(board.describe_outcome(lake, outcome))
    else:
        board.draw_board(lake, outcome)
        board.print_below(one.describe() for one in find_catalog_changes(lake, catalog))
    for failure in outcome.failures:
        terminal.print_error(failure)
    for problem in send_news(lake, catalog, succeeded=heartbeat and not outcome.failures):
        terminal.print_error(problem)
    sys.exit(INFRASTRUCTURE if outcome.failures else DONE)


def send_news(lake: Lake, catalog: Catalog, *, succeeded: bool) -> list[str]:
    """Sends the digest and, after a nightly run that succeeded, the heartbeat.

    Returns:
        A sentence for each target that failed.
    """
    from evals import pipeline

    has_targets = bool(catalog.digest.targets)
    problems = (
        pipeline.send_digests(lake, catalog, datetime.now(UTC)).failures if has_targets else []
    )
    failed = pipeline.send_heartbeat(catalog) if succeeded else None
    return [*problems, failed] if failed else problems


COMMANDS = (nightly,)
