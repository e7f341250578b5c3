"""Promises of alignment: the splits of labels, when a judge may decide, and its threshold."""

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


def test_a_class_without_labels_has_no_rate() -> None:
    """A class without labels has no rate rather than a guess."""
    assert Agreement(5, 1, 0, 0).tnr is None


def test_splits_have_their_shares() -> None:
    """Of many sessions about 15% are pool, and dev and test halve the rest."""
    counts = Counter(choose_split(f"session-{i}") for i in range(20_000))
    assert counts["pool"] == pytest.approx(3000, abs=200)
    assert counts["dev"] == pytest.approx(8500, abs=300)
    assert counts["test"] == pytest.approx(8500, abs=300)


def test_a_split_never_changes() -> None:
    """A session that moved would leak test labels into prompts."""
    splits = {name: choose_split(name) for name in "abcdefgh"}
    assert splits == {
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
    """It is so for any text."""
    assert choose_split(name) in {"pool", "dev", "test"}


def test_the_threshold_separates_the_classes() -> None:
    """Where the scores separate the classes, the threshold is between them."""
    dev = [(0.9, True), (0.7, True), (0.3, False), (0.1, False)]
    proposal = propose_threshold(dev, [(0.6, True), (0.4, True), (0.2, False)])
    assert proposal.threshold == 0.5
    assert (proposal.dev.tpr, proposal.dev.tnr) == (1, 1)
    assert proposal.test == Agreement(tp=1, fn=1, fp=0, tn=1)


def test_the_worse_of_the_two_rates_counts() -> None:
    """A threshold that favours one class at the cost of the other is not proposed."""
    dev = [(0.2, True)] + [(0.8, True)] * 9 + [(0.1, False)] * 3 + [(0.4, False)] * 7
    proposal = propose_threshold(dev)
    assert 0.4 < proposal.threshold < 0.8
    assert proposal.dev == Agreement(tp=9, fn=1, fp=0, tn=10)
    assert proposal.test is None


pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({passed for _, passed in rows}) == 2
)


@given(pairs, st.floats(0, 1))
def test_no_threshold_is_better_on_dev(dev: list[tuple[float, bool]], other: float) -> None:
    """No other threshold has a better worst rate, and the order of labels does not matter."""
    proposal = propose_threshold(dev)
    assert proposal == propose_threshold(dev[::-1])
    rival = measure_agreement(dev, other)
    assert min(proposal.dev.passes.rate, proposal.dev.fails.rate) >= min(
        rival.passes.rate, rival.fails.rate
    )


def test_one_class_is_not_enough() -> None:
    """Without a failing label the error names what to label."""
    with pytest.raises(ValueError, match="both classes"):
        propose_threshold([(0.4, True), (0.6, True)])
