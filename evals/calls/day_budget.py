"""The budget of a day, shared by all runs of a home: reserved before a call, booked after it.

Command line, sensor and Dagster runs share one file in the home folder. The caller computes the
most a call may cost.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from evals.calls.shared_state import SharedState
from evals.specs import Budget, Catalog
from evals.storage import ledger
from evals.storage.documents.batch_jobs import read_jobs
from evals.storage.lake import Lake
from evals.storage.locks import LockHeldError

ROUNDING = 1e-9
RESTORED = "restored"
"""Books what answers cost whose bookings were lost."""


class Spent(NamedTuple):
    """What calls cost, and how many there were."""

    usd: float
    calls: int


class BudgetLeft(NamedTuple):
    """What is left of a day's budget; None: no limit."""

    usd: float | None
    calls: int | None

    @classmethod
    def after(cls, budget: Budget, spent: Spent) -> BudgetLeft:
        """Subtracts what is spent from a budget."""
        usd, calls = budget.usd_per_day, budget.calls_per_day
        return cls(
            None if usd is None else max(0.0, usd - spent.usd),
            None if calls is None else max(0, calls - spent.calls),
        )


class DayBudget:
    """The budget of one day, as one run reserves and books it."""

    def __init__(self, shared: SharedState, run_id: str, day: date, catalog: Catalog) -> None:
        self.shared, self.run_id, self.day = shared, run_id, day.isoformat()
        self.total_budget: Budget = catalog.budget
        self.app_budget: Callable[[str], Budget] = lambda app: catalog.app(app).budget

    def reserve(self, app: str, costs: Sequence[float]) -> int:
        """Reserves money for some calls; returns how many of them, in order, may be made.

        Args:
            app: the application they are made for.
            costs: US dollars each may cost at most.
        """
        with self.shared.transaction() as db:
            total, spent = self.read_spent(db, app)
            granted = min(
                count_affordable(self.total_budget, total, costs),
                count_affordable(self.app_budget(app), spent, costs),
            )
            if granted:
                db.execute(
                    "insert into purse (day, app, run, reserved_usd, reserved_calls)"
                    " values (?, ?, ?, ?, ?) on conflict do update set"
                    " reserved_usd = reserved_usd + excluded.reserved_usd,"
                    " reserved_calls = reserved_calls + excluded.reserved_calls",
                    (self.day, app, self.run_id, sum(costs[:granted]), granted),
                )
        return granted

    def read_spent(self, db: sqlite3.Connection, app: str) -> tuple[Spent, Spent]:
        """Reads what the day has spent and reserved, in total and for an application."""
        sql = (
            "select coalesce(sum(spent_usd + reserved_usd), 0),"
            " coalesce(sum(spent_calls + reserved_calls), 0) from purse where day = ?"
        )
        total = Spent(*db.execute(sql, (self.day,)).fetchone())
        return total, Spent(*db.execute(f"{sql} and app = ?", (self.day, app)).fetchone())

    def read_left(self, app: str) -> BudgetLeft:
        """Returns what is left for an application: the least of what both budgets allow."""
        with self.shared.transaction() as db:
            spent = self.read_spent(db, app)
        budgets = [
            BudgetLeft.after(*pair)
            for pair in zip((self.total_budget, self.app_budget(app)), spent, strict=True)
        ]
        return BudgetLeft(
            min((r.usd for r in budgets if r.usd is not None), default=None),
            min((r.calls for r in budgets if r.calls is not None), default=None),
        )

    def book_spent(self, app: str, reserved: Spent, spent: Spent) -> None:
        """Releases a reservation, and books what its calls cost."""
        with self.shared.transaction() as db:
            db.execute(
                "update purse set reserved_usd = max(0, reserved_usd - ?),"
                " reserved_calls = max(0, reserved_calls - ?),"
                " spent_usd = spent_usd + ?, spent_calls = spent_calls + ?"
                " where day = ? and app = ? and run = ?",
                (*reserved, *spent, self.day, app, self.run_id),
            )

    def book_batch(self, app: str, tag: str, most: Spent) -> None:
        """Books a batch at the most it may cost; `settle_batch` replaces it by the real cost."""
        with self.shared.transaction() as db:
            db.execute(
                "insert or replace into purse (day, app, run, spent_usd, spent_calls)"
                " values (?, ?, ?, ?, ?)",
                (self.day, app, name_booking(tag), *most),
            )


@contextlib.contextmanager
def open_budget(
    lake: Lake, run_id: str, day: date, catalog: Catalog
) -> Generator[DayBudget, None, None]:
    """Opens the budget of a day for a run."""
    with contextlib.closing(SharedState(lake)) as shared:
        yield DayBudget(shared, run_id, day, catalog)


def read_budget_left(lake: Lake, catalog: Catalog, day: date, app: str) -> BudgetLeft:
    """Returns what a day's budget still has for an application."""
    with open_budget(lake, "", day, catalog) as budget:
        return budget.read_left(app)


def name_booking(tag: str) -> str:
    """Names the booking of a batch, which outlives the run that submits it."""
    return f"batch {tag}"


def settle_batch(lake: Lake, tag: str, spent: Spent) -> None:
    """Books what a batch cost, on the day that submitted it, and releases the rest."""
    sql = "update purse set spent_usd = ?, spent_calls = ? where run = ?"
    with contextlib.closing(SharedState(lake)) as shared, shared.transaction() as db:
        db.execute(sql, (*spent, name_booking(tag)))


def count_affordable(budget: Budget, spent: Spent, costs: Sequence[float]) -> int:
    """Counts how many of some calls, in order, a budget can still pay for."""
    granted = len(costs)
    if budget.calls_per_day is not None:
        granted = min(granted, max(0, budget.calls_per_day - spent.calls))
    if budget.usd_per_day is not None:
        room = budget.usd_per_day - spent.usd + ROUNDING
        for number, cost in enumerate(costs[:granted]):
            room -= cost
            if room < 0:
                return number
    return granted


def restore_spending(lake: Lake, shared: SharedState, day: date) -> None:
    """Books what a day has spent by its answers and batches, where its bookings were lost."""
    spent: dict[tuple[str, str], Spent] = {}
    for app, answer_usd in ledger.read_costs(lake, day):
        before = spent.get((app, RESTORED), Spent(0.0, 0))
        spent[app, RESTORED] = Spent(before.usd + answer_usd, before.calls + 1)
    for job in read_jobs(lake):
        if datetime.fromtimestamp(job.created, UTC).date() == day:
            usd = job.booked_usd if job.is_open else job.usd
            spent[job.app, name_booking(job.tag)] = Spent(usd, job.requests)
    with shared.transaction() as db:
        (version,) = db.execute("pragma user_version").fetchone()
        (known,) = db.execute(
            "select count(*) from purse where day = ?", (day.isoformat(),)
        ).fetchone()
        for (app, run), (usd, calls) in spent.items() if not version and not known else ():
            db.execute(
                "insert into purse (day, app, run, spent_usd, spent_calls) values (?, ?, ?, ?, ?)",
                (day.isoformat(), app, run, usd, calls),
            )
        db.execute("pragma user_version = 1")


def recover_runs(lake: Lake, day: date | None = None) -> int:
    """Books what crashed runs spent or may have spent, and recovers their journals.

    Args:
        lake: the home.
        day: the present day, whose bookings are restored if their file is new or was damaged.
    """
    shared = SharedState(lake)
    try:
        if day and not shared.db.execute("pragma user_version").fetchone()[0]:
            restore_spending(lake, shared, day)
        query = "select distinct run from purse where reserved_calls > 0"
        for (run,) in shared.db.execute(query).fetchall():
            try:
                with lake.lock("journal", run, wait=False):
                    book_dead_run(lake, shared, run)
            except LockHeldError:  # the run is alive
                continue
    finally:
        shared.close()
    return ledger.recover_journals(lake)


def book_dead_run(lake: Lake, shared: SharedState, run: str) -> None:
    """Books the answers in a crashed run's journal, and its open reservations at their most.

    Calls under way may be charged: a run that crashes repeatedly must not exceed the budget.
    """
    arrived: dict[str, Spent] = {}
    with ledger.open_journal_file(ledger.locate_journal(lake, run)) as file:
        for _, row in ledger.read_journal_rows(file):
            if row.get("batch"):  # booked when it was submitted
                continue
            before = arrived.get(row["app"], Spent(0.0, 0))
            arrived[row["app"]] = Spent(before.usd + (row["cost_usd"] or 0.0), before.calls + 1)
    with shared.transaction() as db:
        query = "select day, app, reserved_usd, reserved_calls, spent_usd, spent_calls from purse"
        of_run = f"{query} where run = ? and reserved_calls > 0"
        for day, app, usd, calls, spent_usd, spent_calls in db.execute(of_run, (run,)).fetchall():
            answered = arrived.get(app, Spent(0.0, 0))
            open_calls = max(0, calls - max(0, answered.calls - spent_calls))
            spent = Spent(
                max(spent_usd, answered.usd) + usd * open_calls / calls,
                max(spent_calls, answered.calls) + open_calls,
            )
            db.execute(
                "update purse set spent_usd = ?, spent_calls = ?, reserved_usd = 0,"
                " reserved_calls = 0 where day = ? and app = ? and run = ?",
                (*spent, day, app, run),
            )
