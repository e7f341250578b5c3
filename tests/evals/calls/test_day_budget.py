"""Promises of the budget: all runs together stay within it, and dead runs reserve nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evals.calls import day_budget
from evals.calls.day_budget import DayBudget, Spent
from evals.calls.shared_state import SharedState
from evals.erasure import forget
from evals.specs import App, Budget, Catalog
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.worklist.repeated_calls import needs_call
from tests.evals.calls.catalog import TODAY
from tests.evals.storage.test_ledger import build_answer

CATALOG = Catalog(
    root=Path(),
    budget=Budget(usd_per_day=1.0, calls_per_day=10),
    apps={"small": App(app="small", budget=Budget(calls_per_day=3))},
)


@pytest.fixture
def shared(tmp_path: Path) -> SharedState:
    """A home's shared file."""
    return SharedState(Lake(tmp_path))


def sum_spent(shared: SharedState) -> Spent:
    """Sums what the home's day has spent, reservations included."""
    sql = "select sum(spent_usd + reserved_usd), sum(spent_calls + reserved_calls) from purse"
    return Spent(*shared.db.execute(sql).fetchone())


def test_two_runs_draw_from_one_budget(shared: SharedState) -> None:
    """A run cannot reserve what another has reserved."""
    first, second = (DayBudget(shared, name, TODAY, CATALOG) for name in ("one", "other"))
    assert first.reserve("chat", [0.0] * 7) == 7
    assert second.reserve("chat", [0.0] * 7) == 3
    first.book_spent("chat", Spent(0.0, 7), Spent(0.0, 2))
    assert second.reserve("chat", [0.0] * 7) == 5


def test_money_is_reserved_at_most_and_booked_at_cost(shared: SharedState) -> None:
    """Dollars limit calls, and unused reservations are released."""
    budget = DayBudget(shared, "run", TODAY, CATALOG)
    assert budget.reserve("chat", [0.3] * 5) == 3
    budget.book_spent("chat", Spent(0.9, 3), Spent(0.3, 3))
    assert budget.reserve("chat", [0.3] * 5) == 2
    assert sum_spent(shared).usd == pytest.approx(0.9)


def test_an_application_has_its_own_budget_within_the_whole(shared: SharedState) -> None:
    """The smaller of the two budgets applies."""
    budget = DayBudget(shared, "run", TODAY, CATALOG)
    assert budget.reserve("small", [0.0] * 9) == 3
    assert budget.reserve("chat", [0.0] * 9) == 7


def test_each_day_has_its_own_budget(shared: SharedState) -> None:
    """The budget of the day on which a call is made counts."""
    DayBudget(shared, "run", TODAY, CATALOG).reserve("chat", [0.0] * 10)
    assert DayBudget(shared, "run", TODAY, CATALOG).reserve("chat", [0.0]) == 0
    assert DayBudget(shared, "run", TODAY + timedelta(days=1), CATALOG).reserve("chat", [0.0]) == 1


DYING_RUN = """
import os, sys, time
from datetime import date
from pathlib import Path
from evals.storage import ledger
from evals.calls.day_budget import DayBudget
from evals.calls.shared_state import SharedState
from evals.storage.lake import Lake
from tests.evals.calls.test_day_budget import CATALOG
from tests.evals.storage.test_ledger import build_answer
lake = Lake(Path(sys.argv[1])).open()
with ledger.open_journal(lake, "dead") as journal:
    DayBudget(SharedState(lake), "dead", date.fromisoformat(sys.argv[2]), CATALOG).reserve(
        "chat", [0.1] * 8
    )
    journal.append(build_answer("a"))
    print("ready", flush=True)
    time.sleep(60)
"""


def test_calls_of_a_killed_run_are_booked(tmp_path: Path) -> None:
    """After `kill -9` answers are booked at their cost, and open reservations at their most."""
    command = [sys.executable, "-c", DYING_RUN, str(tmp_path), TODAY.isoformat()]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        lake = Lake(tmp_path).open()
        day_budget.recover_runs(lake)
        shared = SharedState(Lake(tmp_path))
        assert sum_spent(shared).calls == 8, "it is alive, and its reservation remains"
        os.kill(process.pid, signal.SIGKILL)
    day_budget.recover_runs(lake)
    assert sum_spent(shared) == Spent(pytest.approx(0.5 + 7 * 0.1), 8)
    day_budget.recover_runs(lake)
    assert sum_spent(shared).calls == 8, "once"
    with ledger.open_index(lake, "v1", {"a"}) as paid:
        assert not needs_call(paid.entries.get("a"), "")
    shared.close()


def test_erasure_books_a_dead_run_s_answers_first(tmp_path: Path) -> None:
    """Its journal is recovered as at the start of a run, and its spending stays booked."""
    lake = Lake(tmp_path).open()
    shared = SharedState(Lake(tmp_path))
    assert DayBudget(shared, "dead", TODAY, CATALOG).reserve("chat", [0.1] * 8) == 8
    journal = ledger.Journal(tmp_path / "journal" / "dead.jsonl")
    journal.append(build_answer("a"))
    journal.close()
    forget.forget_person(lake, CATALOG, [], ["somebody-s"], datetime(2026, 10, 2, tzinfo=UTC))
    assert sum_spent(shared) == Spent(pytest.approx(0.5 + 7 * 0.1), 8)
    shared.close()
