"""Promises of people against each other: agreement, by verdict, and κ of pairs that are alike."""

from __future__ import annotations

import pytest
from statsmodels.stats.inter_rater import fleiss_kappa

from evals.statistics.people import PairedPeople


def test_kappa_of_pairs_is_that_of_two_raters_alike() -> None:
    """κ equals Fleiss' for two raters of each answer, and does not depend on who is first."""
    pairs = PairedPeople(both_passed=40, split=15, both_failed=45)
    table = [[2, 0]] * 40 + [[1, 1]] * 15 + [[0, 2]] * 45
    assert pairs.kappa is not None
    assert pairs.kappa.value == pytest.approx(fleiss_kappa(table))
    assert pairs.kappa.error == pytest.approx(0.0716, abs=5e-4)
    assert pairs.agreed.rate == 0.85


def test_agreement_is_shown_for_each_verdict() -> None:
    """Where failures are rare people may agree on 98% of answers and on no failure."""
    pairs = PairedPeople(both_passed=98, split=2, both_failed=0)
    assert pairs.agreed.rate == 0.98
    assert pairs.fails.rate == 0
    assert pairs.passes.rate == pytest.approx(196 / 198)


def test_without_a_pair_there_is_no_kappa() -> None:
    """Nobody is compared with nobody."""
    assert PairedPeople(0, 0, 0).kappa is None


@pytest.mark.parametrize(
    ("pairs", "interval"),
    [
        ((40, 15, 45), (0.533256, 0.813401)),
        ((10, 0, 10), (0.677750, 1.0)),
        ((18, 2, 0), (-0.052632, 0.676536)),
        ((5, 3, 2), (-0.219341, 0.761465)),
    ],
)
def test_the_interval_of_kappa_fits_the_pairs(
    pairs: tuple[int, int, int], interval: tuple[float, float]
) -> None:
    """It is that of Donner and Eliasziw: with few pairs, or no split, it is wide."""
    assert PairedPeople(*pairs).kappa_interval() == pytest.approx(interval, abs=1e-6)


def test_verdicts_of_one_class_show_no_interval_of_kappa() -> None:
    """Whether people agree by chance is unknown where nobody failed anything."""
    assert PairedPeople(20, 0, 0).kappa_interval() is None
    assert PairedPeople(0, 0, 0).kappa_interval() is None
