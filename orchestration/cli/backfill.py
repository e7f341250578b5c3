"""The command backfill: moves nights to the catalog's evaluator versions.

What a move would cost is in `plans`.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import open_existing
from orchestration.cli.nightly import build_outcome, print_result, run_ranges
from orchestration.cli.options import (
    DONE,
    INFRASTRUCTURE,
    NightRange,
    json_option,
    night_options,
    settings_options,
)
from orchestration.cli.plans import (
    check_names,
    print_plan,
    print_problems,
    probe_option,
    refuse_probe_of_run,
)
from orchestration.runtime.progress import open_listener
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.specs import Catalog
    from evals.storage.lake import Lake


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
    lost = pipeline.prepare_home(lake, catalog, datetime.now(UTC))
    move_locks(lake, catalog, chosen, evaluator or None)
    due = pipeline.find_due_nights(lake, catalog, chosen) if evaluator else chosen
    due, damaged = pipeline.leave_out_damaged(lake, catalog, due, only_due=False)
    with open_listener(as_json) as listener:
        calls, failed = run_ranges(settings, "rescore", due, listener)
    failures = list(dict.fromkeys([*lost, *damaged, *failed, *broken]))
    print_result(lake, catalog, build_outcome(due, calls, failures), as_json)


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


COMMANDS = (backfill,)
