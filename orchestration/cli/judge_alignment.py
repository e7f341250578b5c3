"""The command `judge alignment`: how far judges agree with people, and what they still need.

Measured in `evals.reports.alignment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import open_existing, suggest_name
from orchestration.cli.options import USAGE, fail, json_option, settings_options
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.reports.alignment import Alignment
    from evals.statistics import Proportion
    from evals.storage.lake import Lake
    from orchestration.settings import Settings

LAST_NIGHTS = 31
"""Nights that are looked at for labels since their report."""


@click.command("alignment")
@settings_options
@click.argument("name", required=False)
@click.option("--app", help="Only in this application.")
@json_option
def judge_alignment(settings: Settings, name: str | None, app: str | None, as_json: bool) -> None:
    """Shows how far judges agree with people, by the latest reports; without NAME, all of them.

    TPR and TNR with their intervals, the looks at the test labels, people against each other,
    slices, and how many labels are still needed before a judge may decide.

    \b
    Examples:
      andon judge alignment
      andon judge alignment faithful-summary --json
    """
    from evals.reports.alignment import describe_as_json, measure_alignment
    from evals.reports.archive import read_last_reports

    lake = open_existing(settings)
    every = measure_alignment(lake, read_last_reports(lake))
    found = [one for one in every if name in (None, one.evaluator) and app in (None, one.app)]
    if not found and (name or app):
        judges = sorted({one.evaluator for one in every})
        fail(
            USAGE, f"no judge {name or 'at all'!r} in a report; {suggest_name(name or '', judges)}"
        )
    if as_json:
        terminal.print_json([describe_as_json(one) for one in found])
        return
    for one in found:
        print_alignment(one, in_full=name is not None)
    if not found:
        terminal.print_line("no judge in any report; declare one in `judges/NAME.yaml`")
    if waiting := count_waiting_nights(lake, settings):
        nights = "1 night has" if waiting == 1 else f"{waiting} nights have"
        terminal.print_line(f"{nights} labels or traces that these figures lack: `andon nightly`")


def count_waiting_nights(lake: Lake, settings: Settings) -> int:
    """Counts the last nights with something new, such as labels, that no report has counted."""
    from evals.runs.night_locks import find_pending_nights

    catalog, nights = settings.load_catalog(), lake.list_nights("traces")
    return len(find_pending_nights(lake, catalog, nights[-LAST_NIGHTS:]))


def print_alignment(one: Alignment, *, in_full: bool) -> None:
    """Prints a judge's alignment: its sentence, and with `in_full` all figures."""
    terminal.print_line(f"{one.evaluator} in {one.app}: {one.sentence}")
    if one.outlook:
        terminal.print_line(f"  {one.outlook}")
    if one.earlier:
        terminal.print_line(f"  {one.drift}")
    agreed = one.agreed
    if agreed is None:
        return
    terminal.print_line(
        f"  {agreed.n:,} labels: TPR {show_rate(agreed.tpr, agreed.tpr_low, agreed.tpr_high)}, "
        f"TNR {show_rate(agreed.tnr, agreed.tnr_low, agreed.tnr_high)}; "
        f"{agreed.fn + agreed.fp:,} disagreements"
    )
    if in_full:
        print_details(one)


def print_details(one: Alignment) -> None:
    """Prints splits, looks, people and slices."""
    for name, own in one.counts.splits.items():
        terminal.print_line(f"  {name:<5} {own.passes.n:,} passes, {own.fails.n:,} failures")
    for look in one.looks:
        seen = f" seen {look.seen}" if look.seen else ""
        terminal.print_line(
            f"  look at {look.at}{seen}: {look.passes} passes, {look.failures} failures, "
            f"TPR {look.tpr:.0%} (at least {look.tpr_low:.0%}), TNR {look.tnr:.0%} (at least "
            f"{look.tnr_low:.0%}): {'it may decide' if look.passed else 'it may not decide'}"
        )
    people = one.people
    if people.n and people.kappa:
        ceiling = one.agreed.people.ceiling if one.agreed and one.agreed.people else None
        at_most = f"; a judge without error would reach {ceiling:.0%}" if ceiling else ""
        of_kappa = people.kappa_interval()
        between = f", {of_kappa.low:.2f} to {of_kappa.high:.2f}" if of_kappa else ""
        terminal.print_line(
            f"  two people agree on {people.agreed.rate:.0%} of {people.n:,} pairs (κ "
            f"{people.kappa.value:.2f}{between}){at_most}"
        )
    if one.ties:
        terminal.print_line(f"  {one.ties:,} ties of people: no label")
    terminal.print_lines(
        f"  {part.slice}: {part.labels.n:,} labels, TPR {show_side(part.labels.passes)}, "
        f"TNR {show_side(part.labels.fails)}"
        for part in one.counts.slices
    )


def show_side(side: Proportion) -> str:
    """Shows the rate of one class."""
    return show_rate(side.rate, *side.interval()) if side.n else "no labels"


def show_rate(rate: float | None, low: float, high: float) -> str:
    """Shows a rate with its interval."""
    return "no labels" if rate is None else f"{rate:.0%} ({low:.0%} to {high:.0%})"
