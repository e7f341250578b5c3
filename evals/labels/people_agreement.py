"""How often two people agree: counts of pairs, κ, and agreement by class.

Pure. What a label means is the suite's; judges are compared with people in `alignment`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from evals.statistics import Agreement, Interval, wilson_interval
from evals.statistics.corrections import Kappa
from evals.statistics.people import PairedPeople

ALPHA = 0.05
FEWEST = 10
"""Pairs below which κ and its interval say nothing and are not computed."""


class Vote(NamedTuple):
    """One person's verdict on one question."""

    annotator: str
    passed: bool


class ClassAgreement(NamedTuple):
    """Agreement on one class: of the verdicts for it, the share that the other person shares."""

    shared: int
    """Verdicts of the pairs in which both people chose the class."""
    given: int
    """Verdicts for the class in all pairs."""

    @property
    def rate(self) -> float | None:
        """The share; None where nobody chose the class."""
        return self.shared / self.given if self.given else None


class PeopleAgreement(NamedTuple):
    """The verdicts of two or more people on the same questions of a dimension."""

    table: Agreement
    """The pairs: rows are the person whose name comes first."""
    is_pooled: bool = False
    """Whether they are of several pairs of people, whose order means nothing."""

    @property
    def kappa(self) -> float | None:
        """κ; None for few pairs, and where all verdicts are of one class."""
        table = self.table
        is_one_class = table.tp + table.fn + table.fp == 0 or table.tn + table.fn + table.fp == 0
        return None if table.n < FEWEST or is_one_class else self.estimate.value

    @property
    def estimate(self) -> Kappa:
        """Cohen's κ of two people; of several pairs the one of pairs that are alike (Scott)."""
        table = self.table
        alike = PairedPeople(table.tp, table.fn + table.fp, table.tn).kappa
        return alike if alike and self.is_pooled else table.kappa

    @property
    def interval(self) -> Interval | None:
        """The interval of κ (Donner and Eliasziw), which has the κ that is shown."""
        table, kappa = self.table, self.kappa
        fit = PairedPeople(table.tp, table.fn + table.fp, table.tn).kappa_interval(ALPHA)
        if kappa is None or fit is None:
            return None
        return Interval(min(kappa, fit.low), max(kappa, fit.high))

    @property
    def share(self) -> float:
        """The share of pairs that agree."""
        return (self.table.tp + self.table.tn) / self.table.n

    @property
    def agreed(self) -> Interval:
        """The interval (Wilson) of the share of pairs that agree."""
        return wilson_interval(self.table.tp + self.table.tn, self.table.n)

    @property
    def on_pass(self) -> ClassAgreement:
        """Agreement on passes."""
        mixed = self.table.fn + self.table.fp
        return ClassAgreement(2 * self.table.tp, 2 * self.table.tp + mixed)

    @property
    def on_fail(self) -> ClassAgreement:
        """Agreement on failures."""
        mixed = self.table.fn + self.table.fp
        return ClassAgreement(2 * self.table.tn, 2 * self.table.tn + mixed)


def compare_annotators(questions: Iterable[Sequence[Vote]]) -> PeopleAgreement:
    """Compares each two people who judged the same question; each pair counts once."""
    return pool_pairs(count_pairs(questions).values())


def count_pairs(questions: Iterable[Sequence[Vote]]) -> Mapping[tuple[str, str], Agreement]:
    """Counts the verdicts of each two people, by their names in order."""
    counts: dict[tuple[str, str], Counter[tuple[bool, bool]]] = defaultdict(Counter)
    for votes in questions:
        by_name = {vote.annotator: vote.passed for vote in votes}
        for first, second in combinations(sorted(by_name), 2):
            counts[first, second][by_name[first], by_name[second]] += 1
    return {
        names: Agreement(
            tp=pairs[True, True],
            fn=pairs[True, False],
            fp=pairs[False, True],
            tn=pairs[False, False],
        )
        for names, pairs in counts.items()
    }


def pool_pairs(tables: Iterable[Agreement]) -> PeopleAgreement:
    """Adds the tables of several pairs of people."""
    every = list(tables)
    return PeopleAgreement(
        Agreement(
            tp=sum(one.tp for one in every),
            fn=sum(one.fn for one in every),
            fp=sum(one.fp for one in every),
            tn=sum(one.tn for one in every),
        ),
        len(every) > 1,
    )
