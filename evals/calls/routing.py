"""Routes questions live or by batch, and moves the batches under way.

`live` and `batch` implement the two ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from evals import models
from evals.calls import batch, live
from evals.calls.batch import BatchProvider
from evals.calls.circuit_breaker import OTHER_MODEL, RUN_ENDING
from evals.calls.concurrency import name_account
from evals.calls.day_budget import Spent
from evals.calls.requests import CallPlan, CallsResult
from evals.calls.stop import Stop
from evals.records import Failure, Skip
from evals.specs import BatchLimits, Catalog, Evaluator, ModelPin
from evals.storage.documents.batch_jobs import (
    BatchJob,
    list_awaited_keys,
    list_open_jobs,
    write_job,
)
from evals.storage.lake import Lake
from evals.storage.ledger import Journal
from evals.worklist.worklist import WantedAnswer

T = TypeVar("T")


@dataclass(frozen=True)
class Route:
    """Asks an evaluator's questions of a night the way its judge declares."""

    lake: Lake
    catalog: Catalog
    now: datetime
    closed: dict[str, Failure] = field(default_factory=dict[str, Failure])
    """Accounts, or models of one, that fail to the end of this run, with the failure."""
    stop: Stop = field(default_factory=Stop)
    """Ends the run while it asks."""

    def __call__(self, asking: CallPlan) -> CallsResult:
        """Asks what no batch is out for, whichever way is declared now."""
        version = asking.work.evaluator.answer_version or ""
        out = list_awaited_keys(self.lake, version) if asking.wanted else set[str]()
        fresh = asking.exclude(out)
        limits = self.batch_limits(fresh)
        asked = self.ask_live(fresh) if limits is None else self.ask_by_batch(fresh, limits)
        out &= {want.key for want in asking.wanted}
        return asked._replace(awaited=asked.awaited | out)

    def ask_live(self, asking: CallPlan) -> CallsResult:
        """Asks live, unless the account or model was closed earlier in this run."""
        whose = name_account(asking.pin)
        model = f"{whose} {asking.pin.model}"
        shut = self.closed.get(whose) or self.closed.get(model)
        if asking.wanted and shut:
            return CallsResult(rest=shut)
        asked = live.ask_live(asking, stop=self.stop)
        if isinstance(asked.rest, Failure) and asked.rest.code in RUN_ENDING:
            self.closed[model if asked.rest.code == OTHER_MODEL else whose] = asked.rest
        return asked

    def batch_limits(self, asking: CallPlan) -> BatchLimits | None:
        """The pin's limits where these questions go by batch; None where they are asked live."""
        evaluator = asking.work.evaluator
        return find_batch_limits(
            self.catalog, evaluator, asking.work.night, asking.wanted, self.now
        )

    def ask_by_batch(self, asking: CallPlan, limits: BatchLimits) -> CallsResult:
        """Writes and submits batch jobs, as far as the day's budget goes."""
        try:
            client = models.open_client(asking.pin)
        except models.Unavailable as error:
            return CallsResult(rest=Skip(error.reason))
        granted, reserved = reserve_affordable(asking)
        rest = None if granted == len(asking.wanted) else Skip("budget")
        desk = BatchProvider(self.lake, asking.pin, client, limits, self.now.timestamp())
        made = batch.write_batches(desk, asking, asking.wanted[:granted])
        if asking.budget:  # each batch is booked by its own name now
            asking.budget.book_spent(asking.work.evaluator.app, reserved, Spent(0.0, 0))

        async def hand_in() -> None:
            for one in made:
                await batch.advance_job(desk, one.tag)

        asyncio.run(run_with_client(client, hand_in))
        awaited = frozenset(want.key for want in asking.wanted[:granted])
        return CallsResult(rest=rest, awaited=awaited)


def find_batch_limits(
    catalog: Catalog,
    evaluator: Evaluator,
    night: date,
    wanted: Sequence[WantedAnswer],
    now: datetime,
) -> BatchLimits | None:
    """The pin's limits where a judge's questions go by batch; None where they are asked live.

    `auto` asks live what a batch did not answer, what is few, and what a batch would answer
    after the night's report is due though asking now is in time.
    """
    judge, pin = catalog.judges.get(evaluator.name, evaluator.judge), evaluator.pin
    limits = pin.batches if pin else None
    if judge is None or judge.via == "live" or limits is None or not wanted:
        return None
    if judge.via == "batch":
        return limits
    again = any(want.attempts for want in wanted)
    if again or len(wanted) < limits.smallest or would_be_late(catalog, night, limits, now):
        return None
    return limits


def would_be_late(catalog: Catalog, night: date, limits: BatchLimits, now: datetime) -> bool:
    """Whether a batch may miss the night's deadline, and asking now would not."""
    hours = catalog.day_begins + 24 + catalog.deadline_h
    due = datetime.combine(night, time(), UTC) + timedelta(hours=hours)
    return now < due < now + timedelta(hours=limits.window_h)


def reserve_affordable(asking: CallPlan) -> tuple[int, Spent]:
    """Reserves money at a batch's price; returns how many questions it covers, and the sum."""
    price = asking.pin.price_on(asking.work.night)
    share = price.batch if price else 0.0
    costs = [asking.max_cost(want) * share for want in asking.wanted]
    budget, app = asking.budget, asking.work.evaluator.app
    granted = budget.reserve(app, costs) if budget else len(costs)
    return granted, Spent(sum(costs[:granted]), granted)


async def run_with_client(client: models.Client, work: Callable[[], Awaitable[T]]) -> T:
    """Runs some work with a client, and closes it."""
    try:
        return await work()
    finally:
        await client.close()


def take_back_batches(
    lake: Lake, catalog: Catalog, journal: Journal, now: datetime
) -> list[BatchJob]:
    """Moves every batch under way, and collects those that have ended.

    Continues submissions that a crash or an outage interrupted. Returns the batches that have
    ended now.
    """
    over: list[BatchJob] = []
    for found in list_open_jobs(lake):
        desk = open_provider(lake, catalog, found, now)
        if desk is not None:
            done = asyncio.run(
                run_with_client(
                    desk.client, lambda d=desk, t=found: advance_and_collect(d, t, journal)
                )
            )
            over += [done] if not done.is_open else []
    return over


async def advance_and_collect(desk: BatchProvider, found: BatchJob, journal: Journal) -> BatchJob:
    """Moves one batch as far as possible, and collects it where it has ended."""
    try:
        moved, seen = await batch.advance_job(desk, found.tag)
        if moved.state == "refused":
            return batch.close_refused(desk, moved, journal)
        if seen is not None and seen.is_over:
            return await batch.collect_answers(desk, moved, seen, journal)
    except models.ModelError as error:
        return write_job(desk.lake, batch.record_error(found, error))
    return moved


def check_batches(lake: Lake, catalog: Catalog, now: datetime) -> list[BatchJob]:
    """Reads the state of every batch under way from its provider; collects nothing."""
    seen: list[BatchJob] = []
    for found in list_open_jobs(lake):
        desk = open_provider(lake, catalog, found, now)
        if desk is not None:
            look = run_with_client(desk.client, lambda d=desk, t=found: batch.advance_job(d, t.tag))
            seen.append(asyncio.run(look)[0])
    return seen


def cancel_batch(lake: Lake, catalog: Catalog, found: BatchJob, now: datetime) -> BatchJob:
    """Cancels a batch; what is done by then is charged and collected.

    Raises:
        ModelError: when the provider cannot be reached.
        Unavailable: when its model cannot be asked here.
    """
    if found.state != "submitted":  # the provider does not know it yet
        return write_job(
            lake,
            replace(found, state="refused", problem="cancelled before it was handed in"),
        )
    desk = open_provider(lake, catalog, found, now)
    if desk is None:
        raise models.Unavailable("no-model", f"{found.pin['name']} cannot be asked here")

    async def end() -> BatchJob:
        seen = await desk.api.cancel(found.batch_id or "")
        return write_job(lake, replace(found, state="submitted", status=seen.status))

    return asyncio.run(run_with_client(desk.client, end))


def open_provider(
    lake: Lake, catalog: Catalog, found: BatchJob, now: datetime
) -> BatchProvider | None:
    """Opens the provider of a batch; None where its model is unavailable on this machine."""
    pin = ModelPin.model_validate(found.pin)
    pin = pin.served_as(catalog.models.get(pin.name))
    limits = pin.batches
    try:
        client = models.open_client(pin)
    except models.Unavailable:
        return None
    return BatchProvider(lake, pin, client, limits or BatchLimits(), now.timestamp())


def list_nights(found: Iterable[BatchJob]) -> list[date]:
    """Lists the nights of some batches, oldest first."""
    return sorted({date.fromisoformat(one.night) for one in found})
