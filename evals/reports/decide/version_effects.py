"""Versions of the application compared: those of the same night, and those that changed together.

Which of them is a cause of a change is decided in `sections.causes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from evals.reports.decide.mixes import LEAST, measure_mix, pool_cells, tally_strata
from evals.reports.decide.rows import Identity, StratumCount
from evals.reports.decide.shifts import CARRIER, NONE, Cell, Shift, name_field, shorten_value
from evals.statistics import Effect, holm, mantel_haenszel, regress_rates

FIELDS = ("prompt_version", "model", "git_commit")
SIGNIFICANT = 0.05
"""For all comparisons of an application's night together (Holm)."""


class Comparison(NamedTuple):
    """A version against another one that ran in the same nights, within strata."""

    identity: Identity
    field: str
    old: str
    new: str
    share: float
    """Of tonight's answers that the new version gave."""
    nights: int
    """In which both ran."""
    effect: Effect
    p: float
    """Adjusted for all comparisons of the night."""


Cells = dict[tuple[date, str], Cell]
"""The rows of one version, by night and stratum."""


def tally_versions(rows: Iterable[StratumCount], field: str) -> dict[str, Cells]:
    """Sums rows by the version of a field, night and stratum; unknown versions are left out."""
    versions: dict[str, Cells] = {}
    for row in rows:
        value = str(getattr(row, field))
        if value and row.date is not None:
            cells, key = versions.setdefault(value, {}), (row.date, row.stratum)
            cell = Cell(row.passed + row.failed, row.weight, row.weight_squares, row.weight_passed)
            cells[key] = cells.get(key, NONE) | cell
    return versions


def compare_cells(old: Cells, new: Cells, ratio: float) -> Effect | None:
    """Compares two versions within nights and strata; None where they never met."""
    return mantel_haenszel(
        (old[key].as_counted(ratio), new[key].as_counted(ratio))
        for key in sorted(set(old) & set(new))
    )


def find_first(cells: Cells) -> date:
    """Returns the first night of a version."""
    return min(night for night, _ in cells)


def list_pairs(versions: Mapping[str, Cells], tonight: date) -> list[tuple[str, str]]:
    """Lists the versions of tonight to compare: each with the one that came before it."""
    running = [value for value, cells in versions.items() if count_rows(cells, tonight) >= LEAST]
    order = sorted(
        running, key=lambda v: (find_first(versions[v]), -count_rows(versions[v], tonight), v)
    )
    return list(pairwise(order))


def count_rows(cells: Cells, night: date) -> int:
    """Counts the rows of a version in a night."""
    return sum(cell.n for (day, _), cell in cells.items() if day == night)


def compare_versions(
    rows: Sequence[StratumCount], tonight: date, ratios: Mapping[Identity, float]
) -> list[Comparison]:
    """Compares the versions that ran tonight, by all nights in which both ran.

    Args:
        rows: of tonight and of the nights before it.
        tonight: the night.
        ratios: for each evaluator to compare by, how many of its rows are independent.
    """
    found = list[Comparison]()
    for identity, ratio in sorted(ratios.items()):
        own = [row for row in rows if row.identity == identity]
        for field in FIELDS:
            found += compare_field(own, identity, field, tonight, ratio)
    adjusted = holm([one.p for one in found])
    return [one._replace(p=p) for one, p in zip(found, adjusted, strict=True)]


def compare_field(
    rows: Sequence[StratumCount], identity: Identity, field: str, tonight: date, ratio: float
) -> list[Comparison]:
    """Compares the versions of one field that ran tonight."""
    versions, found = tally_versions(rows, field), list[Comparison]()
    whole = sum(count_rows(cells, tonight) for cells in versions.values())
    for old, new in list_pairs(versions, tonight):
        effect = compare_cells(versions[old], versions[new], ratio)
        if effect is not None:
            met = {night for night, _ in set(versions[old]) & set(versions[new])}
            share = count_rows(versions[new], tonight) / whole
            found.append(Comparison(identity, field, old, new, share, len(met), effect, effect.p))
    return found


def separate_versions(
    rows: Sequence[StratumCount], changed: Mapping[str, str], ratio: float
) -> dict[str, Effect] | None:
    """Separates the effects of versions that changed together, by regression within strata.

    Args:
        rows: of tonight and of the baseline.
        changed: by field, the new version.
        ratio: how many of the rows are independent.

    Returns:
        The effect of each new version; None where no answers tell them apart.
    """
    fields = sorted(changed)
    cells: dict[tuple[str, ...], Cell] = {}
    for row in rows:
        marks = (str(int(getattr(row, field) == changed[field])) for field in fields)
        key = (row.stratum, *marks)
        cell = Cell(row.passed + row.failed, row.weight, row.weight_squares, row.weight_passed)
        cells[key] = cells.get(key, NONE) | cell
    frequent = {
        key[0]
        for key in cells
        if pool_cells(cell for other, cell in cells.items() if other[0] == key[0]).n >= LEAST
    }
    order = sorted(key for key in cells if key[0] in frequent)
    strata = sorted(frequent)
    if not order:
        return None
    design = [[*(float(key[0] == one) for one in strata), *map(float, key[1:])] for key in order]
    counted = [cells[key].as_counted(ratio) for key in order]
    sizes = np.array([one.size for one in counted], dtype=np.float64)
    rates = np.array([one.rate for one in counted], dtype=np.float64)
    effects = regress_rates(np.array(design, dtype=np.float64), sizes, rates)
    return None if effects is None else dict(zip(fields, effects[len(strata) :], strict=True))


class Sides(NamedTuple):
    """The rows of an evaluator before and after a change, and the comparisons of tonight."""

    before: Sequence[StratumCount]
    after: Sequence[StratumCount]
    compared: Sequence[Comparison]
    ratio: float
    """How many of the rows are independent."""

    def exonerates(self, shift: Shift, change: float) -> bool:
        """Whether the answers of a version did not fall as the rate did; False of a rise.

        Its rate did not move the same way as that of the version before it; or the comparison
        within tonight shows none of the change, or excludes that it did half of it, which is its
        effect times its share of the answers.
        """
        if change >= 0:
            return False
        old, new = shift.before.get(shift.top_loss), shift.after.get(shift.top_gain)
        moved = self.measure_move(shift)
        if moved is None and old and new and old.rate is not None and new.rate is not None:
            moved = new.rate - old.rate
        if moved is not None and not shift.parts and moved * change <= 0:
            return True
        for one in self.compared:
            if (one.field, one.new) == (shift.field, shift.top_gain):
                edges = (one.effect.low, one.effect.high)
                did = max(one.share * edge / change for edge in edges)
                return one.effect.value * change <= 0 or did < 1 / 2
        return False

    def measure_move(self, shift: Shift) -> float | None:
        """Measures a version's rate against the one before it, within strata."""
        if shift.field not in FIELDS:
            return None
        own = [
            tally_strata(row for row in rows if getattr(row, shift.field) == value)
            for rows, value in ((self.before, shift.top_loss), (self.after, shift.top_gain))
        ]
        found = measure_mix(own[0], own[1], (self.ratio, self.ratio))
        return found.parts.rate if found else None

    def separate(self, shifts: Sequence[Shift]) -> dict[str, Effect] | None:
        """Separates prompt and model where both changed; None where no answers tell them apart."""
        changed = {
            one.field: one.top_gain
            for one in shifts
            if one.field in FIELDS and one.field != CARRIER
        }
        if len(changed) < 2:
            return None
        return separate_versions([*self.before, *self.after], changed, self.ratio)


def describe_replay(shift: Shift, other: Shift) -> str:
    """Describes the answers that would tell two changed fields apart."""
    (mine, new, old), (theirs, now, then) = (
        (name_field(one.field), shorten_value(one, one.top_gain), shorten_value(one, one.top_loss))
        for one in (shift, other)
    )
    return (
        f"not identifiable from these answers: replay the night with {mine} {new} and {theirs} "
        f"{then}, and with {mine} {old} and {theirs} {now}"
    )
