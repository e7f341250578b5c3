"""Preferences between two answers: position and length are taken out, with honest intervals."""

from __future__ import annotations

import random
from math import exp, tanh

import pytest

from evals.statistics.preferences import JudgedPair, Preferences, measure_preferences

SPREAD = 180
TRUTH = 1 / (1 + exp(0.2))
"""How often the answer is preferred at equal length and position."""


def simulate(count: int, seed: int, position: float = 0.8, quality: float = -0.2) -> Preferences:
    """Simulates a judge that likes the first and the longer answer better."""
    rng = random.Random(seed)
    pairs: list[JudgedPair] = []
    for number in range(count):
        longer = round(rng.gauss(100, 150))
        base = quality + rng.gauss(0, 0.5) + tanh(longer / SPREAD)
        chances = [1 / (1 + exp(-(base + side * position))) for side in (1, -1)]
        verdicts = [float(rng.random() < chance) for chance in chances]
        pairs.append(JudgedPair(*verdicts, longer_by=longer, session=number))
    return measure_preferences(pairs)


def test_position_and_length_are_taken_out() -> None:
    """Of 200 simulated nights the interval at equal length holds the truth in at least 9 of 10."""
    runs = [simulate(100, seed) for seed in range(200)]
    fits = [run.equal_length for run in runs if run.equal_length]
    raw = [run.preferred.value for run in runs if run.preferred]
    assert 0.9 <= sum(fit.low <= TRUTH <= fit.high for fit in fits) / len(runs) <= 0.99
    assert sum(fit.value for fit in fits) / len(runs) == pytest.approx(TRUTH, abs=0.02)
    assert sum(raw) / len(runs) > TRUTH + 0.06
    firsts = [run.first.low for run in runs if run.first]
    assert sum(low > 0.5 for low in firsts) > 190


def test_an_order_that_decides_nearly_all_brings_no_share_nearer_to_one_half() -> None:
    """Where the answer shown first wins .99, a share of .60 is measured without bias, or not."""
    assert simulate(30, 3, position=4.6, quality=0.405).equal_length is None
    runs = [simulate(1000, seed, position=4.6, quality=0.405) for seed in range(20)]
    fits = [run.equal_length for run in runs if run.equal_length]
    assert len(fits) == len(runs)
    assert sum(fit.value for fit in fits) / len(fits) == pytest.approx(0.595, abs=0.03)
    assert sum(fit.low <= 0.595 <= fit.high for fit in fits) >= 18


def test_pairs_that_follow_the_order_show_no_share() -> None:
    """However many there are; ten that do not, of which eight won, show theirs."""
    follow = [JudgedPair(1, 0, 0, n) for n in range(500)]
    assert measure_preferences(follow).equal_length is None
    clear = [JudgedPair(*[float(n < 8)] * 2, 0, f"c{n}") for n in range(10)]
    fit = measure_preferences(follow + clear).equal_length
    assert fit
    assert fit.value == pytest.approx(1 / (1 + (2.5 / 8.5) ** 0.5), abs=0.02)
    assert fit.low < 0.5 < 0.8 < fit.high


def test_copies_of_one_session_are_no_more_certain() -> None:
    """Ten pairs of each session give about the interval of one pair of each."""
    once = [JudgedPair(float(n % 2), float(n % 2), 5 * n, n) for n in range(20)]
    wide, copied = measure_preferences(once), measure_preferences(once * 10)
    assert wide.preferred
    assert copied.preferred
    width = wide.preferred.high - wide.preferred.low
    assert copied.preferred.high - copied.preferred.low == pytest.approx(width, rel=0.05)


def test_weights_count() -> None:
    """A pair that represents nine others counts nine times as much."""
    pairs = [JudgedPair(1, 1, 1, "a", 9.0), JudgedPair(0, 0, 1, "b", 1.0)]
    measured = measure_preferences(pairs)
    assert measured.preferred
    assert measured.preferred.value == pytest.approx(0.9)


FEW: list[list[JudgedPair]] = [
    [],
    [JudgedPair(1, 1, 0)],
    [JudgedPair(1, 1, 7, name) for name in "ab"],
]


@pytest.mark.parametrize("pairs", FEW)
def test_few_pairs_give_wide_intervals(pairs: list[JudgedPair]) -> None:
    """Nothing is estimated of nothing, and two wins are no certainty."""
    measured = measure_preferences(pairs)
    if not pairs:
        assert measured == Preferences(None, None, None, None)
    elif measured.preferred:
        assert measured.preferred.low < 0.5
