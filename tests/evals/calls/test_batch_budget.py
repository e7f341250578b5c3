"""Promises of batches to the day's budget: out, they count at their most; back, at their cost."""

from datetime import timedelta

import pytest

from tests.evals.calls.batch_night import NOON, BatchLine, once, spent
from tests.evals.models.batch_server import Server


def test_the_days_budget_counts_a_batch_when_it_is_handed_in(
    line: BatchLine, server: Server
) -> None:
    """An open batch counts as spent: a second run of the day has less left."""
    line.catalog = line.catalog.model_copy(
        update={"budget": line.catalog.budget.model_copy(update={"calls_per_day": 2})}
    )
    tally = line.ask()
    assert (tally.pending, tally.skipped) == (2, 1)
    line.night("good", "bad", "good too", "more")
    assert line.ask().pending == 2
    assert once(server)


def test_a_batch_that_is_back_is_booked_at_what_it_cost(line: BatchLine, server: Server) -> None:
    """It counts at its most until it ends, then at its cost, on the day that submitted it."""
    line.ask()
    (out,) = line.read_jobs()
    assert spent(line) == (pytest.approx(out.booked_usd), 3)
    server.state.finish()
    (over,) = line.back(NOON + timedelta(days=1))
    assert 0 < over.usd < out.booked_usd
    assert spent(line) == (pytest.approx(over.usd), 3)
    line.ask()
    assert spent(line) == (pytest.approx(over.usd), 3)


@pytest.mark.parametrize(
    ("status", "upto", "calls"), [("expired", 1, 1), ("failed", 0, 0), ("cancelled", 0, 0)]
)
def test_what_a_batch_did_not_ask_frees_the_day(
    line: BatchLine, server: Server, status: str, upto: int, calls: int
) -> None:
    """Expired and refused rows cost nothing, and their calls are free again on the same day."""
    budget = line.catalog.budget.model_copy(update={"calls_per_day": 3})
    line.catalog = line.catalog.model_copy(update={"budget": budget})
    line.ask()
    assert spent(line)[1] == 3
    server.state.finish(status, upto=upto)
    (over,) = line.back()
    assert spent(line) == (pytest.approx(over.usd), calls)
    assert line.ask().pending == 3 - calls, "asked again within the same day's budget"


def test_a_hand_in_refused_for_good_frees_the_day(line: BatchLine, server: Server) -> None:
    """No question was asked, so no cost is booked."""
    server.state.faults = [("POST /batches", 400)]
    line.ask()
    line.back()
    assert spent(line) == (0.0, 0)
