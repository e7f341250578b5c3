"""Commands that move the line: nightly, plan, backfill.

What a night is and what it costs is decided in `evals`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestration.cli.options import (
    DAY,
    DONE,
    INFRASTRUCTURE,
    USAGE,
    Place,
    as_json,
    describe_problem,
    fail,
    located,
    place,
    ranged,
    span,
)
from orchestration.runtime import terminal
from orchestration.runtime.progress import Progress, telling
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.pipeline import Intake
    from evals.specs import Catalog
    from evals.storage.lake import Lake
    from evals.storage.night_state import OpenNight

probed = click.option(
    "--probe",
    type=click.IntRange(1),
    metavar="N",
    help="With --dry-run: ask judges not known yet N questions; their answers are kept.",
)


@click.command()
@located
@ranged
@click.option("--inbox", type=Place(), help="Exports to read: a folder, pattern or address.")
@click.option(
    "--labels", multiple=True, type=click.Path(exists=True, path_type=Path), help="Labels to add."
)
@click.option("--assume-date", type=DAY, help="The night of rows that have no timestamp.")
@click.option("--spread", nargs=2, type=DAY, help="Spread rows without a timestamp over nights.")
@click.option("--no-pull", is_flag=True, help="Leave the catalog's sources alone.")
@click.option("--dry-run", is_flag=True, help="Take in what is new, say what asking costs, stop.")
@probed
@as_json
def nightly(
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    inbox: Path | str | None,
    labels: tuple[Path, ...],
    assume_date: Any,
    spread: Any,
    no_pull: bool,
    dry_run: bool,
    probe: int | None,
    as_json: bool,
) -> None:
    """Pulls, imports, evaluates and reports every night that has something new.

    Exit codes: 0 done, 2 usage, 4 infrastructure or a broken application, 130 or 143
    interrupted; quality is `andon gate`'s. An application whose catalog is broken waits, and is
    due when that is mended; the others are reported. An interrupted run keeps
    what it paid for, and the next one goes on from there.

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

    no_probe_but_dry(probe, dry_run)
    intake = intake_of(assume_date, spread, pull=not no_pull)
    here = place(home, catalog, inbox=inbox, labels=labels)
    cat, lake = here.catalog(), here.lake()
    broken = name_broken(cat)
    intake = intake._replace(inbox=here.inbox, labels=here.labels)
    calls, was_open = 0, night_state.open_nights(lake)
    with telling(as_json) as say:
        pipeline.prepare_home(lake, cat, datetime.now(UTC))
        failures = pipeline.take_in(lake, cat, intake, datetime.now(UTC), say)
        nights = span(
            night_locks.list_begun_nights(lake, cat, datetime.now(UTC)), first, last, only
        )
        due = pipeline.admit_nights(lake, cat, nights, say, strict=dry_run)
        for begin, end in night_state.consecutive(due) if not dry_run else ():
            from orchestration.cli.launch import launch

            launched = launch(here.home, "nightly", begin, end, say)
            calls += launched.calls
            failures += launched.failures
    if dry_run:
        foretell(here, due, probe=probe, moved=False, as_json=as_json)
        sys.exit(INFRASTRUCTURE if broken else DONE)
    pipeline.close_nights(lake, datetime.now(UTC))
    pipeline.apply_retention(lake, cat, datetime.now(UTC))
    finish(lake, due, calls, [*failures, *broken], as_json, no_longer_open(lake, was_open))


def intake_of(assume_date: Any, spread: Any, *, pull: bool) -> Intake:
    """What the options ask to take in, without places."""
    from evals.pipeline import Intake

    if spread and assume_date:
        raise click.UsageError("--assume-date and --spread exclude each other; give one")
    if spread and spread[1] < spread[0]:
        raise click.UsageError("--spread ends before it begins; give the first night first")
    return Intake(
        assume_date=assume_date.date() if assume_date else None,
        spread=(spread[0].date(), spread[1].date()) if spread else None,
        pull=pull,
    )


def foretell(
    here: Settings,
    over: list[date],
    names: tuple[str, ...] | None = None,
    *,
    probe: int | None = None,
    moved: bool = True,
    as_json: bool,
) -> None:
    """What bringing nights up to date would ask and cost; asks nothing but what `probe` allows."""
    from evals.calls import day_budget
    from evals.runs import plan
    from orchestration.runtime.interrupts import Interrupts

    lake, catalog, now = here.lake(), here.catalog(), datetime.now(UTC)
    scope = plan.PlanScope(lake, catalog, here.references(lake), over, names, moved)
    how: Any = {"progress": Progress.asked, "stop": Interrupts.stop}
    probed = plan.probe_judges(scope, probe, now, **how) if probe else None
    rows = plan.plan_nights(scope, now)
    apps = sorted({row.app for row in rows if row.calls})
    left = {app: day_budget.read_budget_left(lake, catalog, now.date(), app) for app in apps}
    if not as_json:
        from orchestration.cli import board

        board.draw_plan(rows, left, probed)
        return
    known = [row.usd for row in rows if row.usd is not None]
    total = {
        "calls": sum(row.calls for row in rows),
        "tokens_in": sum(row.tokens_in for row in rows),
        "tokens_out": sum(row.tokens_out for row in rows),
        "usd": round(sum(known), 9),
        "unpriced_calls": sum(row.calls for row in rows if row.usd is None),
        "probed": probed.calls if probed else 0,
        "budget_left": {app: one._asdict() for app, one in left.items()},
    }
    terminal.show({**total, "plan": [asdict(row) for row in rows]})


def no_probe_but_dry(probe: int | None, dry_run: bool) -> None:
    """Refuses `--probe` where a run asks everything anyway."""
    if probe and not dry_run:
        raise click.UsageError("--probe is for --dry-run; a run asks every question itself")


def name_broken(catalog: Catalog) -> list[str]:
    """Names what is wrong in the catalog before anything is read; returns the sentences."""
    sentences = [describe_problem(problem) for problem in catalog.problems]
    for sentence in sentences:
        terminal.complain(sentence)
    return sentences


def no_longer_open(lake: Lake, was_open: list[OpenNight]) -> list[OpenNight]:
    """The nights that have become final since they were looked at."""
    from evals.storage import night_state

    still = {one[:2] for one in night_state.open_nights(lake)}
    return [one for one in was_open if one[:2] not in still]


def finish(
    lake: Any, due: list[date], calls: int, failures: list[str], as_json: bool, final: Any = ()
) -> None:
    """Shows the board, then ends with the documented exit code."""
    from orchestration.cli import board

    worked = board.Worked(due, calls, failures, final)
    if as_json:
        terminal.show(board.document(lake, worked))
    else:
        board.draw(lake, worked)
    for failure in failures:
        terminal.complain(failure)
    sys.exit(INFRASTRUCTURE if failures else DONE)


@click.command()
@located
@ranged
@click.option("--evaluator", multiple=True, help="Only these.")
@as_json
def plan(
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    evaluator: tuple[str, ...],
    as_json: bool,
) -> None:
    """Says what moving nights to the catalog's evaluator versions would take, and pays nothing.

    \b
    Examples:
      andon plan
      andon plan --evaluator faithful-summary --from 2026-10-01 --json
    """
    here = place(home, catalog)
    broken = name_broken(here.catalog())
    over = span(here.lake().nights("traces"), first, last, only)
    known(here, evaluator)
    foretell(here, over, evaluator or None, as_json=as_json)
    sys.exit(INFRASTRUCTURE if broken else DONE)


@click.command()
@located
@ranged
@click.option("--evaluator", multiple=True, help="Only these; default: all that changed.")
@click.option("--dry-run", is_flag=True, help="Say what it would do, and stop.")
@probed
@as_json
def backfill(
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    evaluator: tuple[str, ...],
    dry_run: bool,
    probe: int | None,
    as_json: bool,
) -> None:
    """Moves nights to the catalog's evaluator versions and reports them anew.

    Each report is a new version beside the old one; only what changed is asked again.

    \b
    Examples:
      andon backfill --evaluator faithful-summary --from 2026-10-08 --to 2026-10-14
      andon backfill --dry-run
    """
    from evals import pipeline
    from evals.runs import night_locks
    from evals.storage import night_state

    here = place(home, catalog)
    lake = here.lake()
    over = span(lake.nights("traces"), first, last, only)
    no_probe_but_dry(probe, dry_run)
    known(here, evaluator)
    broken = name_broken(here.catalog())
    if dry_run:
        foretell(here, over, evaluator or None, probe=probe, as_json=as_json)
        sys.exit(INFRASTRUCTURE if broken else DONE)
    pipeline.prepare_home(lake, here.catalog(), datetime.now(UTC))
    for night in over:
        apps = night_state.read_state(lake, night).apps
        for app in (name for name, account in apps.items() if not account["refused"]):
            night_locks.move_lock(lake, here.catalog(), night, app, evaluator or None)
    calls, failures = 0, []
    due = pipeline.find_due_nights(lake, here.catalog(), over) if evaluator else over
    with telling(as_json) as say:
        for begin, end in night_state.consecutive(due):
            from orchestration.cli.launch import launch

            launched = launch(here.home, "rescore", begin, end, say)
            calls += launched.calls
            failures += launched.failures
    finish(lake, due, calls, [*failures, *broken], as_json)


def known(here: Settings, names: tuple[str, ...]) -> None:
    """Refuses an evaluator the catalog does not declare."""
    from evals.evaluators import resolution

    declared = resolution.list_evaluators(here.catalog())
    for name in names:
        if name not in declared:
            fail(USAGE, f"no evaluator {name!r} in the catalog; declared: {', '.join(declared)}")


COMMANDS = (nightly, plan, backfill)
