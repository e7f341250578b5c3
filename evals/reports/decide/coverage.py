"""How much of a night an evaluator judged, and whether that suffices to measure its rate.

What people judged is in `labelling`; the reasons in words are in `verdicts`.
"""

from __future__ import annotations

from typing import NamedTuple

from evals.evaluators.label_verdicts import is_people_row
from evals.reports.decide.rows import Rate
from evals.specs import Dimension, Gate

ERRORED = 0.2
"""Above this share of errored rows an evaluator is not measured."""
OF_PEOPLE = 0.9
"""The share of a night's answers that people have to judge, unless the suite sets another."""


class Judged(NamedTuple):
    """How many of the sampled answers were judged."""

    sampled: int
    """Answers in the sample to which the evaluator applies."""
    scored: int
    needed: float
    """The share that has to be judged for the row to be measured."""

    @property
    def share(self) -> float:
        """The share of the sampled answers that has a verdict."""
        return self.scored / self.sampled if self.sampled else 1.0

    @property
    def is_enough(self) -> bool:
        """Whether enough was judged for the row to be measured."""
        return self.share >= self.needed


def find_needed(row: Rate, dimension: Dimension | None, gate: Gate) -> float:
    """Finds the share of answers that has to be judged for a row: the suite's, or the default."""
    if dimension and dimension.min_coverage is not None:
        return dimension.min_coverage
    if is_people_row(row.dimension, row.evaluator):
        return OF_PEOPLE if dimension else 0.0
    return gate.min_coverage


def measure_judged(row: Rate, pending: int, needed: float) -> Judged:
    """Measures how many of the sampled answers were judged; rows without a question do not count.

    Args:
        row: the evaluator's rates of a night.
        pending: answers expected from a batch, which have no row yet.
        needed: the share that has to be judged.
    """
    return Judged(row.n - row.skipped + row.unasked + pending, row.scored, needed)


def has_outage(n: int, errored: int) -> bool:
    """Whether so many of the rows that were not skipped errored that nothing is measured."""
    return n > 0 and errored / n > ERRORED


def is_measured(row: Rate, pending: int, needed: float) -> bool:
    """Whether a night's rate is measured: enough was judged, and nothing is awaited."""
    if not row.scored or row.unreached or pending or has_outage(row.n - row.skipped, row.errored):
        return False
    return measure_judged(row, pending, needed).is_enough
