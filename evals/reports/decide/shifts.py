"""Which provenance fields changed beside a rate: their values before and after, and evidence.

Several fields may change together; only a replay can show which of them changed the rate.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from evals.readable import shorten_values
from evals.reports.decide.rows import CauseRate, TraceCount
from evals.reports.phrases import format_whole_percent
from evals.statistics import Counted, Decomposition, kitagawa, normal_quantile

MATERIAL = 0.1
"""The total variation beyond chance that counts as a change."""
RARE = 2
"""Values seen at most so often are counted together: an id is not a cause."""
SHARED = 0.9
"""The share of both sides that common values must cover for mix and rate to be separated."""
EXPLAINS = 0.2
"""A shift of mix that carries less than this share of the change is no cause of it."""
SHOWN = 5
OTHERS = "(rare values)"
UNRECORDED = "(not recorded)"

CARRIER = "git_commit"
"""A commit carries the other changes: it comes last, and does not compete with them."""

NOUNS = {"prompt_version": "prompt", "prompt_hash": "prompt hash", "git_commit": "commit"}


class Cell(NamedTuple):
    """One value of a field: its rows, and their weights (1 / inclusion probability)."""

    n: int
    weight: float
    squares: float
    """The sum of the rows' squared weights."""
    passed: float | None
    """The weight of the rows that passed; None if unknown."""

    @property
    def rate(self) -> float | None:
        """The share that passed."""
        return None if self.passed is None else self.passed / self.weight

    def as_counted(self, ratio: float = 1.0) -> Counted:
        """Returns its rows as a stratum's, `ratio` of which are independent.

        Raises:
            ValueError: there are no rows, or they have no verdicts.
        """
        if self.rate is None or not self.squares:
            raise ValueError("a stratum needs rows with a verdict")
        return Counted(self.weight, self.weight**2 / self.squares * ratio, self.rate)

    def __or__(self, other: Cell) -> Cell:
        """Adds the rows of two cells."""
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
    """Mix and rate, where nearly all rows have values that both sides have."""

    @property
    def top_gain(self) -> str:
        """The value that gained the most."""
        n, m = sum_weights(self.before), sum_weights(self.after)
        gain = {
            v: cell.weight / m - compute_share(self.before, v, n) for v, cell in self.after.items()
        }
        return min(gain, key=lambda v: (-gain[v], v))

    @property
    def top_loss(self) -> str:
        """The value that lost the most."""
        return Shift(self.field, self.after, self.before, None).top_gain


def name_field(field: str) -> str:
    """Returns a field's name for a sentence."""
    return NOUNS.get(field) or field.removeprefix("versions.").replace("_", " ")


def sum_weights(values: Values) -> float:
    """Returns the sum of the weights of a field's rows."""
    return math.fsum(cell.weight for cell in values.values())


def compute_effective_size(values: Values) -> float:
    """Returns the effective number of a field's rows, given their weights (Kish 1965)."""
    squares = math.fsum(cell.squares for cell in values.values())
    return sum_weights(values) ** 2 / squares if squares else 0.0


def compute_share(values: Values, value: str, whole: float) -> float:
    """Returns the share of a value."""
    return values[value].weight / whole if value in values else 0.0


def name_value(value: object) -> str:
    """Returns a value as shown; null has a name."""
    return UNRECORDED if value is None else str(value)


def tally_cells(cells: Iterable[tuple[str, str, Cell]]) -> Fields:
    """Sums the cells of fields and values over nights."""
    fields: Fields = {}
    for field, value, cell in cells:
        values = fields.setdefault(field, {})
        values[value] = values.get(value, NONE) | cell
    return fields


def build_unscored_cell(n: int) -> Cell:
    """Returns the cell of `n` rows of weight 1 without verdicts."""
    return Cell(n, n, n, None)


def build_scored_cell(row: CauseRate) -> Cell:
    """Returns a row's cell; in marts older than the weights each trace counts once."""
    n = row.passed + row.failed
    if row.weight is None or row.weight_squares is None:
        return build_unscored_cell(n)._replace(passed=row.passed)
    return Cell(n, row.weight, row.weight_squares, row.weight_passed)


def tally_fields(cause_rates: Iterable[CauseRate], provenance: Iterable[TraceCount]) -> Fields:
    """Tallies the fields of one side: by scored rows where there are any, else by all traces."""
    judged = tally_cells((r.field, name_value(r.value), build_scored_cell(r)) for r in cause_rates)
    traces = tally_cells(
        (r.field, name_value(r.value), build_unscored_cell(r.n)) for r in provenance
    )
    return traces | judged


def fold_rare(before: Values, after: Values) -> tuple[Values, Values]:
    """Returns both sides with values that are rare over both counted as one."""
    counts = {v: side[v].n for side in (before, after) for v in side}
    for value in set(before) & set(after):
        counts[value] = before[value].n + after[value].n
    rare = {value for value, n in counts.items() if n <= RARE}

    def fold_side(side: Values) -> Values:
        return tally_cells(("", OTHERS if v in rare else v, c) for v, c in side.items()).get("", {})

    return fold_side(before), fold_side(after)


def measure_variation(before: Values, after: Values) -> float:
    """Measures the total variation beyond that of sampling alone, at 95% for each value."""
    n, m = compute_effective_size(before), compute_effective_size(after)
    if not n or not m:
        return 0.0
    distance, chance = list[float](), list[float]()
    for value in set(before) | set(after):
        p, q = (
            compute_share(before, value, sum_weights(before)),
            compute_share(after, value, sum_weights(after)),
        )
        pooled = (p * n + q * m) / (n + m)
        distance.append(abs(p - q) / 2)
        chance.append(normal_quantile() / 2 * math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
    return math.fsum(distance) - math.fsum(chance)


def decompose_shift(before: Values, after: Values) -> Decomposition | None:
    """Decomposes a change into mix and rate; None where common values cover too little."""
    common = [
        (old, new) for value, old in before.items() if (new := after.get(value)) and old.n and new.n
    ]
    n, m = math.fsum(old.weight for old, _ in common), math.fsum(new.weight for _, new in common)
    covered = min(n / max(1, sum_weights(before)), m / max(1, sum_weights(after)))
    if not common or covered < SHARED or any(None in (a.passed, b.passed) for a, b in common):
        return None
    return kitagawa((old.as_counted(), new.as_counted()) for old, new in common)


def find_shifts(before: Fields, after: Fields, change: float) -> list[Shift]:
    """Finds the fields that changed materially and could explain a change of the rate."""
    shifts = list[Shift]()
    for field in sorted(set(before) & set(after)):
        old, new = fold_rare(before[field], after[field])
        if measure_variation(old, new) <= MATERIAL:
            continue
        parts = decompose_shift(old, new)
        if parts and parts.mix / change < EXPLAINS:
            continue
        shifts.append(Shift(field, old, new, parts))
    fields = {shift.field for shift in shifts}
    shown = [s for s in shifts if s.field != "prompt_hash" or "prompt_version" not in fields]
    return sorted(shown, key=lambda shift: (shift.field == CARRIER, shift.field))


def describe_evidence(shift: Shift) -> str:
    """Describes the rates of the values, if there are any."""
    if shift.parts:
        points = f"{100 * shift.parts.mix:+.0f}".replace("-", "−")
        return f"; the shift of shares alone accounts for {points} points"
    old, new = shift.before.get(shift.top_loss), shift.after.get(shift.top_gain)
    if not (old and new) or old.rate is None or new.rate is None:
        return ""
    return (
        f"; pass rate {format_whole_percent(old.rate)} (n {old.n}) under the old, "
        f"{format_whole_percent(new.rate)} (n {new.n}) under the new"
    )


def shorten_value(shift: Shift, value: str) -> str:
    """Returns a value for a sentence: a commit by its first seven digits, a model without path."""
    if shift.field == CARRIER:
        return value[:7]
    return shorten_values({**shift.before, **shift.after, value: None}, shift.field)[value]


def describe_shift(shift: Shift, others: Collection[str]) -> str:
    """Describes what changed, with its evidence and the fields it is confounded with."""
    new, old = shorten_value(shift, shift.top_gain), shorten_value(shift, shift.top_loss)
    now = compute_share(shift.after, shift.top_gain, sum_weights(shift.after))
    then = compute_share(shift.before, shift.top_gain, sum_weights(shift.before))
    if now == 1 and then == 0:
        text = f"{name_field(shift.field)} {new} replaced {old} on all traces"
    else:
        share_now, share_then = format_whole_percent(now), format_whole_percent(then)
        text = f"{name_field(shift.field)} {new} on {share_now} of traces, before {share_then}"
    text += describe_evidence(shift)
    if others:
        text += f"; {' and '.join(others)} changed at the same time, so they are confounded"
    return text


def list_top_shares(values: Values) -> list[tuple[str, float]]:
    """Returns the most frequent values with their shares."""
    whole = sum_weights(values)
    top = sorted(values, key=lambda v: (-values[v].weight, v))[:SHOWN]
    return [(value, round(compute_share(values, value, whole), 6)) for value in top]


def are_rivals(shift: Shift, other: Shift) -> bool:
    """Whether two fields that changed together compete as the cause."""
    return other is not shift and CARRIER not in (shift.field, other.field)
