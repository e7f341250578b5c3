"""Promises of batches to the day's budget: open ones count at most, ended ones at cost."""

from datetime import timedelta

import pytest

from tests.evals.calls.batch_night import NOON, BatchTeam, is_paid_once, sum_spent
from tests.evals.models.batch_server import Server


def test_the_days_budget_counts_a_batch_when_it_is_submitted(
    team: BatchTeam, server: Server
) -> None:
    """An open batch counts as spent: a second run of the day has less left."""
    team.catalog = team.catalog.model_copy(
        update={"budget": team.catalog.budget.model_copy(update={"calls_per_day": 2})}
    )
    tally = team.score()
    assert (tally.pending, tally.skipped) == (2, 1)
    team.write_night("good", "bad", "good too", "more")
    assert team.score().pending == 2
    assert is_paid_once(server)


def test_an_ended_batch_is_booked_at_its_cost(team: BatchTeam, server: Server) -> None:
    """It counts at its most until it ends, then at its cost, on the day that submitted it."""
    team.score()
    (submitted,) = team.read_jobs()
    assert sum_spent(team) == (pytest.approx(submitted.booked_usd), 3)
    server.state.finish()
    (collected,) = team.collect(NOON + timedelta(days=1))
    assert 0 < collected.usd < submitted.booked_usd
    assert sum_spent(team) == (pytest.approx(collected.usd), 3)
    team.score()
    assert sum_spent(team) == (pytest.approx(collected.usd), 3)


@pytest.mark.parametrize(
    ("status", "upto", "calls"), [("expired", 1, 1), ("failed", 0, 0), ("cancelled", 0, 0)]
)
def test_unanswered_rows_free_the_days_budget(
    team: BatchTeam, server: Server, status: str, upto: int, calls: int
) -> None:
    """Expired and refused rows cost nothing, and their calls are free again on the same day."""
    budget = team.catalog.budget.model_copy(update={"calls_per_day": 3})
    team.catalog = team.catalog.model_copy(update={"budget": budget})
    team.score()
    assert sum_spent(team)[1] == 3
    server.state.finish(status, upto=upto)
    (collected,) = team.collect()
    assert sum_spent(team) == (pytest.approx(collected.usd), calls)
    assert team.score().pending == 3 - calls, "sent again within the same day's budget"


def test_a_submission_refused_for_good_frees_the_days_budget(
    team: BatchTeam, server: Server
) -> None:
    """No request was answered, so no cost is booked."""
    server.state.faults = [("POST /batches", 400)]
    team.score()
    team.collect()
    assert sum_spent(team) == (0.0, 0)
