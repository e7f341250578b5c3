"""Promises of drift and of paired differences: the published vectors, and silence without drift."""

from __future__ import annotations

import random

import pytest

from evals.statistics import (
    compare_counts,
    compute_psi,
    count_independent,
    measure_difference,
)
from evals.statistics.drift import chi_squared_quantile, choose_edges, count_bins

BEFORE, AFTER = [0.5, 0.3, 0.15, 0.05], [0.4, 0.3, 0.2, 0.1]


def test_the_index_of_the_published_example() -> None:
    """In shares and in counts alike."""
    assert compute_psi(BEFORE, AFTER) == pytest.approx(0.071356, abs=1e-6)
    assert compute_psi([100, 60, 30, 10], [40, 30, 20, 10]) == pytest.approx(0.071356, abs=1e-6)


@pytest.mark.parametrize(("df", "value"), [(3, 7.8147), (9, 16.9190), (19, 30.1435)])
def test_the_quantile_is_that_of_tables(df: int, value: float) -> None:
    """To half a percent from 3 degrees of freedom on."""
    assert chi_squared_quantile(0.95, df) == pytest.approx(value, rel=0.006)


def test_equal_distributions_rarely_drift_and_others_do() -> None:
    """The limit grows where there are few values, so that noise is no drift."""
    rng = random.Random(1)
    edges = choose_edges([rng.gauss(0, 1) for _ in range(400)])
    pairs = [
        [count_bins([rng.gauss(0, 1) for _ in range(n)], edges) for n in (400, 100)]
        for _ in range(200)
    ]
    assert sum(compare_counts(*pair).has_drifted for pair in pairs) <= 20
    before = pairs[0][0]
    moved = count_bins([rng.gauss(1, 1) for _ in range(100)], edges)
    assert compare_counts(before, moved).has_drifted


def test_values_of_one_session_are_worth_fewer() -> None:
    """Five alike in each of twelve sessions about nine; as many as there are without sessions."""
    sessions = [n // 5 for n in range(60)]
    mixed = [(n // 5 + (n % 5 == 4)) % 4 for n in range(60)]
    assert count_independent(mixed, sessions) == pytest.approx(15.214141)
    assert count_independent([n // 5 % 4 for n in range(60)], sessions) == pytest.approx(8.722774)
    assert count_independent(mixed, range(60)) == 60
    assert count_independent(mixed, [0] * 60) == 1


def test_a_bin_that_emptied_gives_a_finite_index() -> None:
    """And values that are all equal have one bin."""
    assert 0 < compute_psi([10, 10, 10], [0, 15, 15]) < 10
    assert choose_edges([1.0] * 30) == ()
    assert count_bins([1.0, 2.0], ()) == [2]


A, B = [0.9, 0.4, 1, 0.7, 0.2, 0.8, 0.5, 1], [0.8, 0.5, 0.7, 0.6, 0.2, 0.4, 0.6, 0.9]


def test_a_paired_difference_has_the_published_error() -> None:
    """.0626783 where the unpaired one is .1307601; clusters never make it smaller."""
    differences = [a - b for a, b in zip(A, B, strict=True)]
    alone = measure_difference(differences, range(8))
    assert alone.error == pytest.approx(0.0626783, abs=1e-7)
    assert measure_difference(differences, [0, 0, 1, 1, 2, 2, 3, 3]).error >= alone.error
