"""Promises of refusals: a limit is distinguished from a provider that refuses at any load."""

from __future__ import annotations

import pytest

from evals.calls.refusals import Refusals


def record_share(refusals: Refusals, load: float, share: float, calls: int = 40) -> None:
    """Records calls at a load, a share of them refused, evenly."""
    for number in range(calls):
        before, after = int(number * share), int((number + 1) * share)
        refusals.record(load, refusals.last_at + 0.01, refused=after > before)


def test_a_share_that_no_lower_load_reduces_is_independent_of_it() -> None:
    """With a fifth refused at 16 and at 4 at once, a fifth is expected at any load."""
    refusals = Refusals()
    record_share(refusals, 16, 0.2)
    assert refusals.estimate_share() == 0.0, "one load shows nothing"
    record_share(refusals, 4, 0.2)
    assert refusals.estimate_share() == pytest.approx(0.2, abs=0.05)
    assert not refusals.record(16, refusals.last_at, refused=True)


@pytest.mark.parametrize(
    "shares", [{16: 0.75, 8: 0.5, 4: 0.0}, {16: 0.75, 8: 0.5}, {16: 0.875, 4: 0.5}]
)
def test_a_limit_explains_the_refusals_above_it(shares: dict[int, float]) -> None:
    """Where as many calls are answered at a higher load, the load causes the refusals."""
    refusals = Refusals()
    for load, share in shares.items():
        record_share(refusals, load, share)
    assert refusals.estimate_share() == 0.0
    assert refusals.record(16, refusals.last_at, refused=True)


def test_more_refusals_than_expected_are_the_load_s() -> None:
    """Those beyond the share that comes at any load narrow the window."""
    refusals = Refusals()
    record_share(refusals, 16, 0.2)
    record_share(refusals, 4, 0.2)
    assert any(refusals.record(32, refusals.last_at, refused=True) for _ in range(20))


def test_a_burst_is_forgotten() -> None:
    """Calls of minutes ago say nothing about the provider's limit now."""
    refusals = Refusals()
    record_share(refusals, 64, 0.0)
    for _ in range(200):
        refusals.record(1, refusals.last_at + 0.5, refused=False)
    assert len(refusals.group_ranges()) == 1
