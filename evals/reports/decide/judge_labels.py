"""An evaluator against people's labels: how well it does, and whether a judge may decide.

Labels whose chance of being asked is known stand for the answers of their night; others only for
themselves. The statistics are `evals.statistics.strata`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

from evals.reports.decide.rows import Identity, Labelled
from evals.reports.phrases import format_whole_percent
from evals.statistics import (
    Agreement,
    Estimate,
    Proportion,
    Sides,
    Strata,
    Stratum,
    measure_sides,
    post_stratify,
    rogan_gladen,
    transport_estimate,
)

LOOKS = (20, 40, 80, 160)
"""Test labels of the rarer class at which a judge is looked at, and at no other count."""
LEAST_RATE = 0.8
"""Above which both TPR and TNR have to be."""
LEAST_BOUND = 0.7
"""Above which the lower bounds of both have to be."""
LEAST_LABELS = 10
"""Labels of the answers a judge passed, and of those it failed, for an estimate from a sample."""
WINDOW = timedelta(days=84)
"""How old labels may be that estimate a night's rate."""


class Look(NamedTuple):
    """A look at a judge on its test labels."""

    at: int
    """Which look: the least number of labels of the rarer class."""
    sides: Sides
    has_passed: bool
    night: date | None = None
    """The night whose labels brought the rarer class to that number."""
    passes: int = 0
    """Test labels that passed an answer, as far as they count."""
    failures: int = 0


@dataclass(frozen=True)
class JudgeLabels:
    """The labels of one evaluator version, over all nights so far."""

    rows: tuple[Labelled, ...]
    """By night."""

    @functools.cached_property
    def counted(self) -> Agreement:
        """All labels, each as one."""
        return sum_cells(map(count_all, self.rows))

    @functools.cached_property
    def has_sampled_look(self) -> bool:
        """Whether labels with a known chance suffice for a look; then only they count in looks."""
        return count_rarer(map(count_locked, self.rows)) >= LOOKS[0]

    @functools.cached_property
    def is_sampled(self) -> bool:
        """Whether TPR and TNR are measured on labels with a known chance.

        They are where such labels suffice, or are at least half of the test labels.
        """
        strata = build_strata(self.rows)
        sampled, every = (
            sum(sum_classes(map(count, self.rows))) for count in (count_locked, count_test)
        )
        return strata.is_complete and (suffices(strata) or 2 * sampled >= every)

    @functools.cached_property
    def sides(self) -> Sides | None:
        """TPR and TNR on all labels that count; None without a label of each class."""
        if self.is_sampled:
            return measure_sides(build_strata(self.rows))
        return count_sides(self.counted)

    @functools.cached_property
    def test_labels(self) -> tuple[int, int]:
        """The test labels that count: passes and failures."""
        count = count_locked if self.has_sampled_look else count_test
        return sum_classes(map(count, self.rows))

    @functools.cached_property
    def looks(self) -> tuple[Look, ...]:
        """The looks so far: one on each night that brought the rarer class to another of them."""
        return tuple(look_at(self.rows, is_sampled=self.has_sampled_look))

    @property
    def next_look(self) -> int | None:
        """The labels of the rarer class at the next look; None after the last."""
        last = self.looks[-1].at if self.looks else 0
        return next((at for at in LOOKS if at > last), None)

    def count_missing(self) -> tuple[int, int]:
        """Counts the passes and failures still needed in the test labels for the next look."""
        passes, failures = (max(0, (self.next_look or 0) - n) for n in self.test_labels)
        return passes, failures

    @property
    def is_aligned(self) -> bool:
        """Whether the last look found the judge to agree with people."""
        return bool(self.looks) and self.looks[-1].has_passed

    @property
    def scale(self) -> float:
        """By how much the judge's rate changes where the true one changes by 1; at most 1."""
        return min(1.0, self.sides.j) if self.is_aligned and self.sides else 1.0

    def estimate(self, rate: Proportion, night: date) -> tuple[Estimate | None, str]:
        """Estimates a night's true rate from its judged one, and returns the estimator's name."""
        tonight = build_strata(row for row in self.rows if row.date == night)
        if suffices(tonight):
            return post_stratify(replace(tonight, judged=rate)), "post-stratified"
        recent = [row for row in self.rows if row.date and night - WINDOW < row.date <= night]
        window = build_strata(recent)
        if suffices(window):
            moved = transport_estimate(window, rate)
            return moved, "post-stratified-window" if moved else "none"
        value = self.transport(rate)
        return value, "rogan-gladen" if value else "none"

    def transport(self, rate: Proportion) -> Estimate | None:
        """Estimates a rate from TPR and TNR alone, of whichever nights.

        Labels that a queue sampled are weighted, or there is no estimate: of labels that prefer
        what a judge failed, TPR is too low, and the estimate too high.
        """
        if not self.is_sampled:
            return rogan_gladen(rate, self.counted)
        strata = build_strata(self.rows)
        return transport_estimate(strata, rate) if suffices(strata) else None


def pool_labels(rows: Iterable[Labelled]) -> dict[Identity, JudgeLabels]:
    """Groups the rows of labels by evaluator version, in the order of the nights."""
    ordered = sorted(rows, key=lambda row: (row.identity, row.date or date.min))
    grouped = itertools.groupby(ordered, key=lambda row: row.identity)
    return {key: JudgeLabels(tuple(of_key)) for key, of_key in grouped}


def count_all(row: Labelled) -> tuple[int, int, int, int]:
    """Returns a night's labels: tp, fn, fp and tn."""
    return row.tp, row.fn, row.fp, row.tn


def count_test(row: Labelled) -> tuple[int, int, int, int]:
    """Returns the same of the test split."""
    cells = (row.test_tp, row.test_fn, row.test_fp, row.test_tn)
    tp, fn, fp, tn = (
        whole if cell is None else cell for cell, whole in zip(cells, count_all(row), strict=True)
    )
    return tp, fn, fp, tn


def count_locked(row: Labelled) -> tuple[int, int, int, int]:
    """Returns how many sampled test labels pass and fail, as cells of a judge that is right."""
    return row.locked_passes, 0, 0, row.locked_failures


def sum_cells(rows: Iterable[tuple[int, int, int, int]]) -> Agreement:
    """Returns the labels of all nights as one table."""
    cells = zip((0, 0, 0, 0), *rows, strict=True)
    tp, fn, fp, tn = map(sum, cells)
    return Agreement(tp, fn, fp, tn)


def sum_classes(rows: Iterable[tuple[int, int, int, int]]) -> tuple[int, int]:
    """Returns how many labels pass and how many fail."""
    passes = failures = 0
    for tp, fn, fp, tn in rows:
        passes, failures = passes + tp + fn, failures + fp + tn
    return passes, failures


def count_rarer(rows: Iterable[tuple[int, int, int, int]]) -> int:
    """Returns how many labels the rarer class has."""
    return min(sum_classes(rows))


def build_strata(rows: Iterable[Labelled]) -> Strata:
    """Returns the sampled labels of some nights, by what the judge decided."""
    rows = list(rows)
    return Strata(
        sum_judged(rows),
        sum_strata(
            Stratum(
                r.sampled_tp,
                r.sampled_fp,
                r.sampled_pass_squares,
                r.sampled_fp_squares,
                r.sampled_pass_labels,
            )
            for r in rows
        ),
        sum_strata(
            Stratum(
                r.sampled_fn,
                r.sampled_tn,
                r.sampled_fail_squares,
                r.sampled_tn_squares,
                r.sampled_fail_labels,
            )
            for r in rows
        ),
    )


def build_locked_strata(rows: Sequence[Labelled]) -> Strata:
    """Returns the same of the test split."""
    return Strata(
        sum_judged(rows),
        sum_strata(
            Stratum(
                r.locked_tp,
                r.locked_fp,
                r.locked_pass_squares,
                r.locked_fp_squares,
                r.locked_pass_labels,
            )
            for r in rows
        ),
        sum_strata(
            Stratum(
                r.locked_fn,
                r.locked_tn,
                r.locked_fail_squares,
                r.locked_tn_squares,
                r.locked_fail_labels,
            )
            for r in rows
        ),
    )


def sum_strata(strata: Iterable[Stratum]) -> Stratum:
    """Returns strata together."""
    return functools.reduce(Stratum.add, strata, Stratum(0.0, 0.0, 0.0))


def sum_judged(rows: Sequence[Labelled]) -> Proportion:
    """Returns what the judge passed of the nights that have sampled labels."""
    sampled = [row for row in rows if row.sampled_pass_squares or row.sampled_fail_squares]
    n, weight = sum(r.judged for r in sampled), sum(r.judged_weight for r in sampled)
    passed = sum(r.judged_weight_passed for r in sampled)
    return Proportion(passed / weight * n if weight else 0.0, n)


def suffices(strata: Strata) -> bool:
    """Whether labels suffice for an estimate from a sample."""
    return min(strata.passed.size, strata.failed.size) >= LEAST_LABELS


def count_sides(labels: Agreement) -> Sides | None:
    """Returns TPR and TNR of labels that each count as one; None without one of each class."""
    if not labels.passes.n or not labels.fails.n:
        return None
    tpr, tnr = (Estimate(side.rate, *side.interval()) for side in (labels.passes, labels.fails))
    return Sides(tpr, tnr)


def look_at(rows: Sequence[Labelled], *, is_sampled: bool) -> Iterator[Look]:
    """Yields the looks at a judge over the nights."""
    count, last = count_locked if is_sampled else count_test, 0
    passes = failures = 0
    for i, row in enumerate(rows):
        more = sum_classes([count(row)])
        passes, failures = passes + more[0], failures + more[1]
        at = max((at for at in LOOKS if at <= min(passes, failures)), default=0)
        if at <= last:
            continue
        sides = measure_test(rows[: i + 1], is_sampled=is_sampled)
        if sides:
            last = at
            yield Look(at, sides, agrees(sides), row.date, passes, failures)


def measure_test(rows: Sequence[Labelled], *, is_sampled: bool) -> Sides | None:
    """Measures a judge on its test labels up to a night."""
    if is_sampled:
        return measure_sides(build_locked_strata(rows))
    return count_sides(sum_cells(map(count_test, rows)))


def agrees(sides: Sides) -> bool:
    """Whether TPR and TNR are high, and their lower bounds too."""
    return all(side.value > LEAST_RATE and side.low > LEAST_BOUND for side in sides)


def explain_alignment(labels: JudgeLabels | None, kind: str) -> str:
    """Explains why a judge or classifier may not decide, and what it takes."""
    if labels is None or not labels.counted.n:
        return f"no labels for this {kind} yet"
    missing = labels.count_missing()
    if not labels.looks:
        return (
            f"watch only: {name_labels(*missing)} still needed in the test labels to measure "
            f"the {kind}"
        )
    last = labels.looks[-1]
    tpr, tnr = (
        f"{name} {format_whole_percent(side.value)} (at least {format_whole_percent(side.low)})"
        for name, side in zip(("TPR", "TNR"), last.sides, strict=True)
    )
    again = f"; {name_labels(*missing)} until the next look" if labels.next_look else ""
    return f"watch only: the {kind} does not agree with people enough: {tpr}, {tnr}{again}"


def name_labels(passes: int, failures: int) -> str:
    """Names how many labels of each class, such as `14 passes and 9 failures`."""
    parts = (
        f"{passes:,} pass{'es' * (passes != 1)}" if passes else "",
        f"{failures:,} failure{'s' * (failures != 1)}" if failures else "",
    )
    return " and ".join(part for part in parts if part)
