"""Which provenance fields changed beside a rate: their values before and after, and evidence.

Names what moved together; which of several moved the rate, only a replay can show.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from evals.reports.decide.rows import CauseRate, TraceCount
from evals.reports.phrases import whole_percent
from evals.statistics import Decomposition, critical, kitagawa

MATERIAL = 0.1
"""The total variation beyond chance that counts as a change."""
RARE = 2
"""Values seen at most so often are counted together: an id is not a cause."""
SHARED = 0.9
"""The share of both sides that known values must cover for mix and rate to be separated."""
EXPLAINS = 0.2
"""A shift of mix that carries less than this share of the change is no cause of it."""
SHOWN = 5
OTHERS = "(rare values)"
UNRECORDED = "(not recorded)"

CARRIER = "git_commit"
"""A commit carries the other changes: it comes last, and does not compete with them."""

NOUNS = {"prompt_version": "prompt", "prompt_hash": "prompt hash", "git_commit": "commit"}


class Cell(NamedTuple):
    """One value of a field: its rows, and the traces these stand for (1 / inclusion each)."""

    n: int
    weight: float
    squares: float
    """The sum of the rows' squared weights."""
    passed: float | None
    """Of the weight, what passed; None where that is not known."""

    @property
    def rate(self) -> float | None:
        """The share that passed."""
        return None if self.passed is None else self.passed / self.weight

    def __or__(self, other: Cell) -> Cell:
        """The rows of both."""
        either = None
        if self.passed is not None and other.passed is not None:
            either = self.passed + other.passed
        return Cell(
            self.n + other.n, self.weight + other.weight, self.squares + other.squares, either
        )


NONE = Cell(0, 0.0, 0.0, 0.0)


Values = dict[str, Cell]
Fields = dict[str, Values]


@dataclass(frozen=True, slots=True)
class Shift:
    """A field whose distribution changed."""

    field: str
    before: Values
    after: Values
    parts: Decomposition | None
    """Mix and rate, where nearly all rows have values known on both sides."""

    @property
    def newcomer(self) -> str:
        """The value that gained the most."""
        n, m = total(self.before), total(self.after)
        gain = {v: cell.weight / m - share(self.before, v, n) for v, cell in self.after.items()}
        return min(gain, key=lambda v: (-gain[v], v))

    @property
    def leaver(self) -> str:
        """The value that lost the most."""
        return Shift(self.field, self.after, self.before, None).newcomer


def noun(field: str) -> str:
    """The field's name in a sentence."""
    return NOUNS.get(field) or field.removeprefix("versions.").replace("_", " ")


def total(values: Values) -> float:
    """The traces that all rows of a field stand for."""
    return math.fsum(cell.weight for cell in values.values())


def size(values: Values) -> float:
    """The rows of a field as if each stood for as many traces (Kish 1965)."""
    squares = math.fsum(cell.squares for cell in values.values())
    return total(values) ** 2 / squares if squares else 0.0


def share(values: Values, value: str, whole: float) -> float:
    """The share of a value."""
    return values[value].weight / whole if value in values else 0.0


def value_name(value: object) -> str:
    """A value as shown; null has a name, it is never left empty."""
    return UNRECORDED if value is None else str(value)


def tally(cells: Iterable[tuple[str, str, Cell]]) -> Fields:
    """Fields and values, summed over nights."""
    fields: Fields = {}
    for field, value, cell in cells:
        values = fields.setdefault(field, {})
        values[value] = values.get(value, NONE) | cell
    return fields


def unscored_cell(n: int) -> Cell:
    """Rows that each represent one trace, their verdicts unknown."""
    return Cell(n, n, n, None)


def scored_cell(row: CauseRate) -> Cell:
    """A row's cell; a row of a mart older than the weights counts each trace once."""
    n = row.passed + row.failed
    if row.weight is None or row.weight_squares is None:
        return unscored_cell(n)._replace(passed=row.passed)
    return Cell(n, row.weight, row.weight_squares, row.weight_passed)


def tally_fields(cause_rates: Iterable[CauseRate], provenance: Iterable[TraceCount]) -> Fields:
    """The fields of one side: what scored rows stand for, else all the night's traces."""
    judged = tally((r.field, value_name(r.value), scored_cell(r)) for r in cause_rates)
    traces = tally((r.field, value_name(r.value), unscored_cell(r.n)) for r in provenance)
    return traces | judged


def fold_rare(before: Values, after: Values) -> tuple[Values, Values]:
    """Both sides with values that are rare over both counted as one."""
    counts = {v: side[v].n for side in (before, after) for v in side}
    for value in set(before) & set(after):
        counts[value] = before[value].n + after[value].n
    rare = {value for value, n in counts.items() if n <= RARE}

    def folded(side: Values) -> Values:
        return tally(("", OTHERS if v in rare else v, c) for v, c in side.items()).get("", {})

    return folded(before), folded(after)


def variation(before: Values, after: Values) -> float:
    """Total variation beyond what sampling alone shows, at 95% for each value."""
    n, m = size(before), size(after)
    if not n or not m:
        return 0.0
    distance, chance = list[float](), list[float]()
    for value in set(before) | set(after):
        p, q = share(before, value, total(before)), share(after, value, total(after))
        pooled = (p * n + q * m) / (n + m)
        distance.append(abs(p - q) / 2)
        chance.append(critical() / 2 * math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
    return math.fsum(distance) - math.fsum(chance)


def decompose(before: Values, after: Values) -> Decomposition | None:
    """Mix and rate over the values both sides know; None where those cover too little."""
    known = [
        (old, new) for value, old in before.items() if (new := after.get(value)) and old.n and new.n
    ]
    n, m = math.fsum(old.weight for old, _ in known), math.fsum(new.weight for _, new in known)
    covered = min(n / max(1, total(before)), m / max(1, total(after)))
    groups = [
        (old.weight / n, old.rate, new.weight / m, new.rate)
        for old, new in known
        if old.rate is not None and new.rate is not None
    ]
    return kitagawa(groups) if groups and len(groups) == len(known) and covered >= SHARED else None


def find_shifts(before: Fields, after: Fields, change: float) -> list[Shift]:
    """The fields that changed materially and could carry a change of the rate."""
    found = list[Shift]()
    for field in sorted(set(before) & set(after)):
        old, new = fold_rare(before[field], after[field])
        if variation(old, new) <= MATERIAL:
            continue
        parts = decompose(old, new)
        if parts and parts.mix / change < EXPLAINS:
            continue
        found.append(Shift(field, old, new, parts))
    fields = {shift.field for shift in found}
    shown = [s for s in found if s.field != "prompt_hash" or "prompt_version" not in fields]
    return sorted(shown, key=lambda shift: (shift.field == CARRIER, shift.field))


def describe_evidence(shift: Shift) -> str:
    """The rates beside the values, where they are known."""
    if shift.parts:
        points = f"{100 * shift.parts.mix:+.0f}".replace("-", "−")
        return f"; the shift of shares alone accounts for {points} points"
    old, new = shift.before.get(shift.leaver), shift.after.get(shift.newcomer)
    if not (old and new) or old.rate is None or new.rate is None:
        return ""
    return (
        f"; pass rate {whole_percent(old.rate)} (n {old.n}) under the old, "
        f"{whole_percent(new.rate)} (n {new.n}) under the new"
    )


def short_value(shift: Shift, value: str) -> str:
    """A value as a person reads it: a commit by its first seven digits."""
    return value[:7] if shift.field == CARRIER else value


def describe_shift(shift: Shift, others: Collection[str]) -> str:
    """What moved, as part of a sentence, with its evidence and what it is confounded with."""
    new, old = short_value(shift, shift.newcomer), short_value(shift, shift.leaver)
    now = share(shift.after, shift.newcomer, total(shift.after))
    then = share(shift.before, shift.newcomer, total(shift.before))
    if now == 1 and then == 0:
        text = f"{noun(shift.field)} {new} replaced {old} on all traces"
    else:
        share_now, share_then = whole_percent(now), whole_percent(then)
        text = f"{noun(shift.field)} {new} on {share_now} of traces, before {share_then}"
    text += describe_evidence(shift)
    if others:
        text += f"; {' and '.join(others)} changed at the same time, so they are confounded"
    return text


def top_shares(values: Values) -> list[tuple[str, float]]:
    """The most frequent values with their shares."""
    whole = total(values)
    top = sorted(values, key=lambda v: (-values[v].weight, v))[:SHOWN]
    return [(value, round(share(values, value, whole), 6)) for value in top]


def are_rivals(shift: Shift, other: Shift) -> bool:
    """Whether two fields that changed together compete as the cause."""
    return other is not shift and CARRIER not in (shift.field, other.field)
