"""The command plan, and what it shares with the dry runs of nightly and backfill.

A plan is computed in `evals.runs.plan` and drawn in `board`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import open_existing
from orchestration.cli.options import (
    DONE,
    INFRASTRUCTURE,
    USAGE,
    NightRange,
    describe_problem,
    fail,
    json_option,
    night_options,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.runtime.progress import Progress
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.calls.day_budget import BudgetLeft
    from evals.calls.requests import CallsResult
    from evals.error_analysis.model_grouping import PlannedGrouping
    from evals.realign.plans import PlannedCandidates
    from evals.runs.plan import PlannedNight
    from evals.specs import Catalog

probe_option = click.option(
    "--probe",
    type=click.IntRange(1),
    metavar="N",
    help="With --dry-run: make N calls of judges without answers so far, and keep the answers.",
)


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
    from evals.storage.documents.home_contents import check_contents

    catalog, lake = settings.load_catalog(), open_existing(settings)
    check_contents(lake, demo=catalog.demo)
    broken = print_problems(catalog)
    chosen = nights.select(lake.list_nights("traces"))
    check_names(settings, evaluator)
    print_plan(settings, chosen, evaluator or None, as_json=as_json)
    sys.exit(INFRASTRUCTURE if broken else DONE)


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
    from evals.error_analysis import model_grouping
    from evals.realign import plans
    from evals.reports import renewal
    from evals.runs import plan
    from orchestration.runtime.interrupts import Interrupts

    lake, catalog, now = settings.open_lake(), settings.load_catalog(), datetime.now(UTC)
    scope = plan.PlanScope(
        lake, catalog, settings.load_references(lake, catalog), nights, names, moved
    )
    probed = None
    if probe:
        counted, stop = Progress.count_calls, Interrupts.stop
        probed = plan.probe_judges(scope, probe, now, progress=counted, stop=stop)
    candidates = plans.plan_candidates(lake, catalog, scope.references, now) if moved else []
    groupings = list(model_grouping.plan_groupings(lake, catalog, now.date())) if moved else []
    rows, followers = plan.plan_nights(scope, now), renewal.list_followers(lake, catalog)
    apps = sorted({row.app for row in rows if row.calls})
    left = {app: day_budget.read_budget_left(lake, catalog, now.date(), app) for app in apps}
    if not as_json:
        from orchestration.cli import board, plan_tables

        plan_tables.draw_plan(rows, left, probed)
        board.print_below(describe_followers(followers))
        board.print_below(describe_candidates(candidates))
        board.print_below(describe_groupings(groupings))
        return
    follows = {app: [f"{night}" for night in own] for app, own in followers.items()}
    more = {"follows": follows, "candidates": [one._asdict() for one in candidates]}
    more |= {"groupings": [one._asdict() for one in groupings]}
    terminal.print_json(describe_plan(rows, left, probed) | more)


def describe_candidates(rows: Sequence[PlannedCandidates]) -> Iterator[str]:
    """Yields a line about the candidates of each judge that a run may ask about."""
    for row in rows:
        price = "" if row.usd is None else f", about ${row.usd:.2f}"
        yield (
            f"{row.judge}: {row.candidates} candidates, {row.calls:,} calls{price} on dev labels; "
            f"`realign.max_calls` is {row.most:,}"
        )


def describe_groupings(rows: Sequence[PlannedGrouping]) -> Iterator[str]:
    """Yields a line about the call that groups the notes of each application."""
    for row in rows:
        price = "" if row.usd is None else f", at most ${row.usd:.2f}"
        calls = "1 call" if row.calls else "no call: it is paid"
        yield (
            f"{row.app}: {row.notes} notes of the error analysis to group by {row.model}, "
            f"{calls}{price}; `andon analysis group` makes it"
        )


def describe_followers(followers: Mapping[str, Sequence[date]]) -> Iterator[str]:
    """Yields a line about the later nights of each application that may be reported anew."""
    for app, nights in followers.items():
        span = f"{nights[0]}" if len(nights) == 1 else f"{nights[0]} to {nights[-1]}"
        count = "1 later night" if len(nights) == 1 else f"{len(nights)} later nights"
        yield f"{app}: {count} ({span}) reported anew if earlier rates change, without calls"


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


def check_names(settings: Settings, names: tuple[str, ...]) -> None:
    """Ends the command where the catalog does not declare an evaluator."""
    from evals.evaluators import resolution

    declared = resolution.list_evaluators(settings.load_catalog())
    for name in names:
        if name not in declared:
            fail(USAGE, f"no evaluator {name!r} in the catalog; declared: {', '.join(declared)}")


COMMANDS = (plan,)
