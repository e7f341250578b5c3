"""Promises of alignment: what a judge may see, when it may decide, where its threshold is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.labels.alignment import Agreement, choose_split, measure_agreement, propose_threshold


def test_rates_have_wilson_intervals() -> None:
    """TPR .90 on 30 positives is between .744 and .965."""
    labels = Agreement(tp=27, fn=3, fp=2, tn=38)
    assert labels.tpr == 0.9
    assert labels.passes.interval() == pytest.approx((0.744, 0.965), abs=1e-3)
    assert labels.tnr == 0.95
    assert labels.n == 70


@pytest.mark.parametrize(
    ("cells", "usable"),
    [
        ((17, 3, 3, 17), True),
        ((16, 4, 2, 18), False),
        ((18, 2, 4, 16), False),
        ((19, 0, 0, 100), False),
        ((100, 0, 0, 0), False),
    ],
)
def test_a_judge_decides_only_when_aligned(cells: tuple[int, ...], usable: bool) -> None:
    """Both rates above .80, each on at least 20 labels of its class."""
    assert Agreement(*cells).is_usable is usable


def test_a_class_without_labels_has_no_rate() -> None:
    """A class without labels has no rate rather than a guess."""
    assert Agreement(5, 1, 0, 0).tnr is None


def test_splits_have_their_shares() -> None:
    """Of many sessions about 15% are pool, and dev and test halve the rest."""
    found = Counter(choose_split(f"session-{i}") for i in range(20_000))
    assert found["pool"] == pytest.approx(3000, abs=200)
    assert found["dev"] == pytest.approx(8500, abs=300)
    assert found["test"] == pytest.approx(8500, abs=300)


def test_a_split_is_for_ever() -> None:
    """These sessions stay where they are: moving one would leak test labels into prompts."""
    found = {name: choose_split(name) for name in "abcdefgh"}
    assert found == {
        "a": "test",
        "b": "test",
        "c": "dev",
        "d": "test",
        "e": "test",
        "f": "dev",
        "g": "dev",
        "h": "test",
    }


@given(st.text())
def test_every_id_has_a_split(name: str) -> None:
    """Any text is an id."""
    assert choose_split(name) in {"pool", "dev", "test"}


def test_the_threshold_separates_the_classes() -> None:
    """Where the scores separate the classes, the threshold stands between them."""
    dev = [(0.9, True), (0.7, True), (0.3, False), (0.1, False)]
    found = propose_threshold(dev, [(0.6, True), (0.4, True), (0.2, False)])
    assert found.threshold == 0.5
    assert (found.dev.tpr, found.dev.tnr) == (1, 1)
    assert found.test == Agreement(tp=1, fn=1, fp=0, tn=1)


def test_the_worse_rate_is_what_counts() -> None:
    """A threshold that flatters one class at the cost of the other loses."""
    dev = [(0.2, True)] + [(0.8, True)] * 9 + [(0.1, False)] * 3 + [(0.4, False)] * 7
    found = propose_threshold(dev)
    assert 0.4 < found.threshold < 0.8
    assert found.dev == Agreement(tp=9, fn=1, fp=0, tn=10)
    assert found.test is None


pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({passed for _, passed in rows}) == 2
)


@given(pairs, st.floats(0, 1))
def test_no_threshold_is_better_on_dev(dev: list[tuple[float, bool]], other: float) -> None:
    """No other threshold has a better worst rate, and the order of labels does not matter."""
    found = propose_threshold(dev)
    assert found == propose_threshold(dev[::-1])
    rival = measure_agreement(dev, other)
    assert min(found.dev.passes.rate, found.dev.fails.rate) >= min(
        rival.passes.rate, rival.fails.rate
    )


def test_one_class_is_not_enough() -> None:
    """Without a failing label there is nothing to separate, and the error says what to label."""
    with pytest.raises(ValueError, match="both classes"):
        propose_threshold([(0.4, True), (0.6, True)])
