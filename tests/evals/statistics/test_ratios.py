"""Precision, recall and F1: what they are, and what their intervals promise."""

from __future__ import annotations

import random

import pytest

from evals.statistics import ratios
from evals.statistics.ratios import PartCounts


def test_figures_are_those_of_the_textbook() -> None:
    """A wrong value counts against precision and recall; what is rightly absent against neither."""
    one = {"s": PartCounts(right=6, wrong=2, missed=1, invented=3, absent=9)}
    values = {name: ratios.estimate(one, figure).value for name, figure in ratios.FIGURES.items()}
    assert values == {"precision": 6 / 11, "recall": 6 / 9, "f1": 12 / 20, "specificity": 9 / 12}


def test_nothing_counted_has_no_figure() -> None:
    """Without a value there is no precision, and no interval of it."""
    assert ratios.estimate({"s": PartCounts(absent=4)}, ratios.precision) == (None, None, None)
    assert ratios.estimate_mean([], ratios.f1) == (None, None, None)


def test_macro_is_the_mean_of_parts_that_were_counted() -> None:
    """Each part counts once, however often it occurs; one without a value not at all."""
    parts = [
        {"a": PartCounts(right=90, wrong=10)},
        {"a": PartCounts(right=1, wrong=1)},
        {"a": PartCounts(absent=5)},
    ]
    assert ratios.estimate_mean(parts, ratios.f1).value == pytest.approx((0.9 + 0.5) / 2)


@pytest.mark.parametrize("sessions", [{}, {"only": PartCounts(right=900, wrong=100)}])
def test_a_single_session_shows_little(sessions: dict[str, PartCounts]) -> None:
    """Many values of one session are worth one."""
    found = ratios.estimate(sessions, ratios.f1)
    assert found.low is None or (found.low < 0.3 and found.high and found.high > 0.99)


def test_a_figure_at_its_end_has_an_interval() -> None:
    """Nothing wrong in 20 sessions does not mean that nothing ever is."""
    found = ratios.estimate({str(n): PartCounts(right=1) for n in range(20)}, ratios.f1)
    assert found.value == found.high == 1.0
    assert found.low is not None
    assert 0.75 < found.low < 0.9


def draw_sessions(random_: random.Random, n: int) -> dict[str, PartCounts]:
    """Draws sessions of 1 to 4 answers with 5 values each; a session's answers are alike."""
    sessions: dict[str, PartCounts] = {}
    for number in range(n):
        rate = random_.betavariate(8, 2)  # .8 on average, correlated by 1 / 11 within a session
        fields = [
            "right" if random_.random() < rate else random_.choice(("wrong", "missed", "invented"))
            for _ in range(5 * random_.randint(1, 4))
        ]
        sessions[str(number)] = PartCounts(*(fields.count(name) for name in PartCounts._fields))
    return sessions


def test_intervals_cover_by_session() -> None:
    """95% intervals of micro F1 hold the true value 93 to 99 times in 100 with 40 sessions."""
    random_ = random.Random(7)
    true = 2 * 0.8 / (2 * 0.8 + 2 * 0.2 / 3 + 0.2 / 3 + 0.2 / 3)
    held = 0
    for _ in range(400):
        found = ratios.estimate(draw_sessions(random_, 40), ratios.f1)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= true <= found.high
    assert 0.93 <= held / 400 <= 0.99
