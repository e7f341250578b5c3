"""Routes questions live or by batch, and moves the batches under way.

`live` and `batch` implement the two ways.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from evals import models
from evals.calls import batch, live
from evals.calls.batch import BatchProvider
from evals.calls.circuit_breaker import MODEL_CODES
from evals.calls.concurrency import name_account
from evals.calls.day_budget import Spent
from evals.calls.requests import CallPlan, CallsResult
from evals.calls.server_memory import load_logprob_limits
from evals.calls.shared_state import SharedState
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
    closed: dict[str, Failure | Skip] = field(default_factory=dict[str, Failure | Skip])
    """Accounts, or models and how they are asked, that fail to the end of this run, and how."""
    stop: Stop = field(default_factory=Stop)
    """Stops the run during calls."""

    def __call__(self, plan: CallPlan) -> CallsResult:
        """Asks what no open batch covers, the way the catalog declares now."""
        version = plan.work.evaluator.answer_version or ""
        out = list_awaited_keys(self.lake, version) if plan.wanted else set[str]()
        remaining = plan.exclude(out)
        limits = self.batch_limits(remaining)
        result = (
            self.ask_live(remaining) if limits is None else self.ask_by_batch(remaining, limits)
        )
        out &= {want.key for want in plan.wanted}
        return result._replace(awaited=result.awaited | out)

    def ask_live(self, plan: CallPlan) -> CallsResult:
        """Asks live, unless the account or model was closed earlier in this run."""
        account = name_account(plan.pin)
        model = f"{account} {plan.pin.model} {plan.pin.api} {plan.judge.mode}"
        rest = self.closed.get(account) or self.closed.get(model)
        if plan.wanted and rest:
            return CallsResult(rest=rest)
        result = live.ask_live(plan, stop=self.stop)
        if result.ends_run and result.rest:
            of_model = isinstance(result.rest, Failure) and result.rest.code in MODEL_CODES
            self.closed[model if of_model else account] = result.rest
        return result

    def batch_limits(self, plan: CallPlan) -> BatchLimits | None:
        """Returns the pin's limits where these questions go by batch; None: live."""
        evaluator = plan.work.evaluator
        return find_batch_limits(self.catalog, evaluator, plan.work.night, plan.wanted, self.now)

    def ask_by_batch(self, plan: CallPlan, limits: BatchLimits) -> CallsResult:
        """Writes and submits batch jobs, as far as the day's budget goes."""
        try:
            client = models.open_client(plan.pin)
        except models.Unavailable as error:
            return CallsResult(rest=Skip(error.reason))
        with contextlib.closing(SharedState(self.lake)) as shared:
            load_logprob_limits(shared)
        granted, reserved = reserve_affordable(plan)
        rest = None if granted == len(plan.wanted) else Skip("budget")
        provider = BatchProvider(self.lake, plan.pin, client, limits, self.now.timestamp())
        made = batch.write_batches(provider, plan, plan.wanted[:granted])
        if plan.budget:  # each batch is now booked under its own name
            plan.budget.book_spent(plan.work.evaluator.app, reserved, Spent(0.0, 0))

        async def submit() -> None:
            for one in made:
                await batch.advance_job(provider, one.tag)

        asyncio.run(run_with_client(client, submit))
        awaited = frozenset(want.key for want in plan.wanted[:granted])
        return CallsResult(rest=rest, awaited=awaited)


def find_batch_limits(
    catalog: Catalog,
    evaluator: Evaluator,
    night: date,
    wanted: Sequence[WantedAnswer],
    now: datetime,
) -> BatchLimits | None:
    """Returns the pin's limits where a judge's questions go by batch; None: live.

    `auto` asks live what a batch left unanswered, few questions, and where a batch may miss the
    report's deadline but live calls would not.
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
    """Whether a batch may miss the night's deadline that live calls would meet."""
    hours = catalog.day_begins + 24 + catalog.deadline_h
    due = datetime.combine(night, time(), UTC) + timedelta(hours=hours)
    return now < due < now + timedelta(hours=limits.window_h)


def reserve_affordable(plan: CallPlan) -> tuple[int, Spent]:
    """Reserves money at a batch's price; returns how many questions it covers, and the sum."""
    price = plan.pin.price_on(plan.work.night)
    share = price.batch if price else 0.0
    costs = [plan.max_cost(want) * share for want in plan.wanted]
    budget, app = plan.budget, plan.work.evaluator.app
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
    ended: list[BatchJob] = []
    for job in list_open_jobs(lake):
        provider = open_provider(lake, catalog, job, now)
        if provider is not None:
            done = asyncio.run(
                run_with_client(
                    provider.client, lambda d=provider, t=job: advance_and_collect(d, t, journal)
                )
            )
            ended += [done] if not done.is_open else []
    return ended


async def advance_and_collect(provider: BatchProvider, job: BatchJob, journal: Journal) -> BatchJob:
    """Moves one batch as far as possible, and collects it where it has ended."""
    try:
        moved, seen = await batch.advance_job(provider, job.tag)
        if moved.state == "refused":
            return batch.close_refused(provider, moved, journal)
        if seen is not None and seen.is_over:
            return await batch.collect_answers(provider, moved, seen, journal)
    except models.ModelError as error:
        return write_job(provider.lake, batch.record_error(job, error))
    return moved


def check_batches(lake: Lake, catalog: Catalog, now: datetime) -> list[BatchJob]:
    """Reads the state of every batch under way from its provider; collects nothing."""
    seen: list[BatchJob] = []
    for job in list_open_jobs(lake):
        provider = open_provider(lake, catalog, job, now)
        if provider is not None:
            advance = run_with_client(
                provider.client, lambda d=provider, t=job: batch.advance_job(d, t.tag)
            )
            seen.append(asyncio.run(advance)[0])
    return seen


def cancel_batch(lake: Lake, catalog: Catalog, job: BatchJob, now: datetime) -> BatchJob:
    """Cancels a batch; what is done by then is charged and collected.

    Raises:
        ModelError: when the provider cannot be reached.
        Unavailable: when its model cannot be asked here.
    """
    if job.state != "submitted":  # not yet at the provider
        return write_job(
            lake,
            replace(job, state="refused", problem="cancelled before it was submitted"),
        )
    provider = open_provider(lake, catalog, job, now)
    if provider is None:
        raise models.Unavailable("no-model", f"{job.pin['name']} cannot be asked here")

    async def cancel() -> BatchJob:
        seen = await provider.api.cancel(job.batch_id or "")
        return write_job(lake, replace(job, state="submitted", status=seen.status))

    return asyncio.run(run_with_client(provider.client, cancel))


def open_provider(
    lake: Lake, catalog: Catalog, job: BatchJob, now: datetime
) -> BatchProvider | None:
    """Opens the provider of a batch; None where its model is unavailable on this machine."""
    pin = ModelPin.model_validate(job.pin)
    present = catalog.models.get(pin.name)
    if present and (job.file_id is None or present.server_name == pin.server_name):
        pin = pin.served_as(present)  # another server does not have what was handed in
    limits = pin.batches
    try:
        client = models.open_client(pin)
    except models.Unavailable:
        return None
    return BatchProvider(lake, pin, client, limits or BatchLimits(), now.timestamp())


def list_nights(jobs: Iterable[BatchJob]) -> list[date]:
    """Lists the nights of some batches, oldest first."""
    return sorted({date.fromisoformat(job.night) for job in jobs})
