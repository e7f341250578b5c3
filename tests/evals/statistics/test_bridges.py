"""Promises of bridges: a rate is carried to another judge with an interval that holds."""

import math

import numpy as np
import pytest

from evals.statistics import Bridge, Proportion, Strata, Stratum, post_stratify
from evals.statistics.bridges import count_needed, has_drifted, log_ratio, weigh_flips

QUEUE = Bridge(Stratum(65, 1, 66), Stratum(31, 63, 94))


def test_a_carried_rate_is_the_post_stratified_one() -> None:
    """Of .865 of 10,000, with 65 of 66 and 31 of 94, it is .896415 [.858627, .934204]."""
    judged = Proportion(8650, 10_000)
    carried = QUEUE.carry_rate(judged)
    estimate = post_stratify(Strata(judged, QUEUE.passed, QUEUE.failed))
    assert estimate is not None
    assert carried.rate == pytest.approx(0.896415, abs=1e-6)
    assert carried.rate == pytest.approx(estimate.value)
    half = 1.959964 * math.sqrt(carried.rate * (1 - carried.rate) / carried.size)
    assert (carried.rate - half, carried.rate + half) == pytest.approx(estimate[1:], abs=1e-3)


def test_the_drift_is_the_carried_rate_less_the_judged_one() -> None:
    """Its error is that of the anchors, where the earlier rate is known well."""
    drift = QUEUE.measure_drift(Proportion(8650, 10_000))
    assert drift.value == pytest.approx(0.031415, abs=1e-6)
    assert drift.se == pytest.approx(0.019304, abs=2e-4)


def test_judges_that_agree_move_nothing() -> None:
    """The rate stays, and is never surer than its own sample."""
    same = Bridge(Stratum(160, 0, 160), Stratum(0, 40, 40))
    before = Proportion(800, 1000)
    carried = same.carry_rate(before)
    assert (carried.rate, same.slope) == (0.8, 1)
    assert carried.size < before.size


def test_without_an_anchor_of_a_verdict_nothing_is_sure() -> None:
    """Where the second judge saw none of those that failed, they may all pass."""
    half = Bridge(Stratum(50, 0, 50), Stratum(0, 0, 0))
    assert half.carry(0.8) == pytest.approx(0.9)
    assert half.measure_error(0.8) > 0.04 * 0.25


def test_a_drift_that_chance_hid_is_less_sure() -> None:
    """Without a flip among 40, its error is larger if a fifth should have flipped."""
    none = Bridge(Stratum(32, 0, 32), Stratum(0, 8, 8))
    assert none.measure_error_at(0.8, 0.6) > 2 * none.measure_error(0.8)
    assert none.measure_error_at(0.8, none.carry(0.8)) == pytest.approx(none.measure_error(0.8))


def test_intervals_of_carried_rates_cover_what_the_second_judge_passes() -> None:
    """93 to 97 of a hundred contain it, with 160 and 40 anchors."""
    rng, n, covered = np.random.default_rng(3), 400, 0
    for _ in range(n):
        passed, failed = int(rng.binomial(160, 0.9)), int(rng.binomial(40, 0.3))
        bridge = Bridge(Stratum(passed, 160 - passed, 160), Stratum(failed, 40 - failed, 40))
        low, high = bridge.carry_rate(Proportion(int(rng.binomial(5000, 0.85)), 5000)).interval()
        covered += low <= 0.85 * 0.9 + 0.15 * 0.3 <= high
    assert 0.93 <= covered / n <= 0.97


def test_flips_both_ways_are_no_drift_and_one_way_is() -> None:
    """A noisy judge turns as many into passes as into fails; 14 one way are enough, 12 are not."""
    assert math.exp(log_ratio(0, 0)) == pytest.approx(1)
    assert math.exp(log_ratio(1, 0)) == pytest.approx(1)
    assert math.exp(log_ratio(2, 0)) == pytest.approx(1.5)
    assert weigh_flips([(1, 0), (1, 0)]) == pytest.approx(1.5 + 1)
    assert not has_drifted([(3, 3)] * 28)
    assert not has_drifted([(1, 0)] * 12)
    assert has_drifted([(0, 0)] * 20 + [(2, 0)] * 8)


def test_a_judge_that_is_the_same_rarely_drifts_in_90_nights() -> None:
    """At most one in twenty of noisy judges; one that turns a tenth to fails is found."""
    rng, judges = np.random.default_rng(3), 200

    def share(down: float, nights: int) -> float:
        flips = rng.binomial(10, (down, 0.1), (judges, nights, 2))
        return (
            sum(
                any(has_drifted(own[max(0, t - 27) : t + 1]) for t in range(nights))
                for own in flips.tolist()
            )
            / judges
        )

    assert share(0.1, 90) <= 0.05
    assert share(0.3, 28) >= 0.9


def test_the_anchors_that_would_decide_are_counted() -> None:
    """Four times as many for half the change; none for no change."""
    assert count_needed(50, 0.05, 0.1, 0.05) == math.ceil(50 * (2.801585 / 2) ** 2)
    assert count_needed(50, 0.05, 0.05, 0.05) == pytest.approx(4 * 98.1, abs=1)
    assert count_needed(50, 0.05, 0.0, 0.05) == 0
