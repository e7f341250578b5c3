"""The mix of an application's traffic: how far a rate changed only because the mix did.

Strata are made by dbt (`int_trace_strata`); which verdict a rate gets is decided in `verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from evals.reports.decide.rows import Identity, StratumCount
from evals.reports.decide.shifts import NONE, Cell, Values, sum_weights
from evals.reports.phrases import format_signed, format_whole_percent
from evals.statistics import Counted, Decomposition, Proportion, kitagawa, normal_quantile

LEAST = 20
"""Rows that a stratum needs; the rest are one stratum."""
FIRST = 7
"""Nights of a series whose mix is the reference of all its nights: a week."""
SMALLEST = 0.005
"""A mix that moved a rate by less is no subject."""


class MixShift(NamedTuple):
    """What the mix of the traffic did to a rate."""

    parts: Decomposition
    stratum: str
    """The one whose share did most of it; empty: of strata that are too small to count alone."""
    share_before: float
    share_after: float
    kept_before: float
    """The share of the earlier nights' effective size that is left at the common mix."""
    kept_after: float

    @property
    def is_clear(self) -> bool:
        """Whether the mix moved the rate beyond chance, by a figure that can be seen."""
        least = normal_quantile() * self.parts.mix_se
        return abs(self.parts.mix) >= max(SMALLEST, least)

    def describe(self) -> str:
        """Describes the part of the mix, with the stratum that did most of it."""
        by = format_signed(self.parts.mix, 0 if abs(self.parts.mix) >= SMALLEST else 1)
        then, now = map(format_whole_percent, (self.share_before, self.share_after))
        name = self.stratum or "other slices"
        return f"the mix alone made {by}: {name} is {now} of the answers, before {then}"


def tally_strata(rows: Iterable[StratumCount]) -> Values:
    """Sums rows by stratum."""
    strata: Values = {}
    for row in rows:
        cell = Cell(row.passed + row.failed, row.weight, row.weight_squares, row.weight_passed)
        strata[row.stratum] = strata.get(row.stratum, NONE) | cell
    return strata


def list_new_strata(rows: Sequence[StratumCount], nights: Collection[date]) -> set[str]:
    """Lists the strata that the first half of some nights did not have: they are new yet.

    A new tariff whose answers fail would otherwise be a mere change of the mix from its second
    night on.
    """
    early = sorted(nights)[: math.ceil(len(nights) / 2)]
    return {one.stratum for one in rows} - {one.stratum for one in rows if one.date in early}


def measure_mix(before: Values, after: Values, ratios: tuple[float, float]) -> MixShift | None:
    """Measures what the mix did to a rate; None where both sides have no strata in common.

    A stratum that is new is expected to pass as often as all others did: what it falls short of
    is no matter of the mix.

    Args:
        before: the strata of the earlier nights.
        after: of tonight.
        ratios: how many of the rows of each side are independent.
    """
    names = sorted(
        name for name, old in before.items() if old.n >= LEAST and after.get(name, NONE).n >= LEAST
    )
    if not names:
        return None
    pairs = [
        (before[name].as_counted(ratios[0]), after[name].as_counted(ratios[1])) for name in names
    ]
    rest = [pool_cells(cell for name, cell in side.items() if name not in names)
            for side in (before, after)]  # fmt: skip
    overall = pool_cells(before.values()).as_counted(ratios[0])
    if any(cell.n for cell in rest):
        names.append("")
        pairs.append(pair_rest(rest[0], rest[1], overall, ratios))
    if len(pairs) < 2:
        return None
    wholes = sum_weights(before), sum_weights(after)
    shares = [(a.weight / wholes[0], b.weight / wholes[1]) for a, b in pairs]
    parts = kitagawa(pairs)
    if names[-1] == "" and rest[0].n < LEAST:
        (then, now), (old, new) = shares[-1], pairs[-1]
        own = max(0.0, now - then) * (new.rate - old.rate) / 2
        parts = parts._replace(mix=parts.mix - own, rate=parts.rate + own)
    top = find_most(pairs, shares, overall.rate)
    kept = [measure_kept(pairs, shares, side) for side in (0, 1)]
    return MixShift(parts, names[top], *shares[top], *kept)


def pool_cells(cells: Iterable[Cell]) -> Cell:
    """Returns strata as one."""
    pooled = NONE
    for cell in cells:
        pooled |= cell
    return pooled


def pair_rest(
    before: Cell, after: Cell, overall: Counted, ratios: tuple[float, float]
) -> tuple[Counted, Counted]:
    """Returns the strata that are too small as one; a side without enough rows gets a rate."""
    old = overall._replace(weight=before.weight)
    if before.n >= LEAST:
        old = before.as_counted(ratios[0])
    return old, after.as_counted(ratios[1]) if after.n else old._replace(weight=0.0)


def find_most(
    pairs: Sequence[tuple[Counted, Counted]], shares: Sequence[tuple[float, float]], overall: float
) -> int:
    """Finds the stratum whose share did most to the rate: one that grew, if any did."""
    done = [
        abs((now - then) * ((a.rate + b.rate) / 2 - overall)) if now > then else -1.0
        for (then, now), (a, b) in zip(shares, pairs, strict=True)
    ]
    return max(range(len(done)), key=done.__getitem__)


def measure_kept(
    pairs: Sequence[tuple[Counted, Counted]], shares: Sequence[tuple[float, float]], side: int
) -> float:
    """Measures how much of a side's effective size is left when its strata count otherwise."""
    own = math.fsum(s[side] ** 2 * p[side].variance for s, p in zip(shares, pairs, strict=True))
    both = math.fsum(
        (sum(s) / 2) ** 2 * p[side].variance for s, p in zip(shares, pairs, strict=True)
    )
    return min(1.0, own / both)


def standardise(
    before: Proportion, after: Proportion, shift: MixShift
) -> tuple[Proportion, Proportion]:
    """Returns both sides of a comparison at one mix of the traffic."""
    rate = min(1.0, max(0.0, after.rate - shift.parts.mix))
    then = replace(before, effective=before.size * shift.kept_before)
    return then, Proportion(rate * after.n, after.n, after.size * shift.kept_after)


Offsets = dict[tuple[Identity, date], float]
"""What the mix of a night adds to a rate, by evaluator and night."""


def compute_offsets(
    rows: Iterable[StratumCount], before: Mapping[Identity, Identity] = MappingProxyType({})
) -> Offsets:
    """Computes what the mix of each night adds to its rates, against the series' first week.

    The reference is fixed, so that no later night changes the evidence of an earlier one.

    Args:
        rows: of all nights so far.
        before: of evaluators whose series is carried over, the version before: its first week is
            their reference too.
    """
    nights: dict[Identity, dict[date, list[StratumCount]]] = {}
    for row in rows:
        if row.date is not None:
            nights.setdefault(row.identity, {}).setdefault(row.date, []).append(row)
    offsets: Offsets = {}
    for identity, by_night in nights.items():
        first, seen = identity, {identity}
        while (past := before.get(first)) in nights and past not in seen:
            first = past
            seen.add(past)
        week = sorted(nights[first])[:FIRST]
        reference = tally_strata(row for night in week for row in nights[first][night])
        for night in sorted(by_night):
            offsets[identity, night] = compute_offset(reference, tally_strata(by_night[night]))
    return offsets


def compute_offset(reference: Mapping[str, Cell], night: Values) -> float:
    """Computes what the mix of a night adds to a rate whose strata pass as in the reference."""
    whole, tonight = pool_cells(reference.values()), sum_weights(night)
    overall = whole.rate or 0.0
    return math.fsum(
        (night.get(name, NONE).weight / tonight - cell.weight / whole.weight)
        * ((cell.rate or 0.0) - overall)
        for name, cell in reference.items()
        if cell.n >= LEAST
    )
