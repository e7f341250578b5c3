"""Which way questions go, live or by batch; and what batches under way have come to.

How each way works is `live`'s and `batch`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from evals import models
from evals.calls import batch, live
from evals.calls.batch import Desk
from evals.calls.batch_jobs import Ticket, outstanding, remember, under_way
from evals.calls.circuit_breaker import ENDS_RUN, OTHER_MODEL
from evals.calls.concurrency import account
from evals.calls.day_budget import Spent
from evals.calls.requests import Asked, Asking
from evals.calls.stop import Stop
from evals.records import Failure, Skip
from evals.specs import BatchLimits, Catalog, Evaluator, ModelPin
from evals.storage.lake import Lake
from evals.storage.ledger import Journal
from evals.worklist.worklist import Wanted

T = TypeVar("T")


@dataclass(frozen=True)
class Route:
    """Sends an evaluator's questions of a night the way its judge declares."""

    lake: Lake
    catalog: Catalog
    now: datetime
    shut: dict[str, Failure] = field(default_factory=dict)
    """Accounts, or models of one, that serve nothing more in this run, and what they said."""
    stop: Stop = field(default_factory=Stop)
    """Who may end the run while it asks."""

    def __call__(self, asking: Asking) -> Asked:
        """Asks what no batch is out for; what is out is awaited, whichever way is now declared."""
        version = asking.work.evaluator.answer_version or ""
        out = outstanding(self.lake, version) if asking.wanted else set()
        fresh = asking.without(out)
        limits = self.batched(fresh)
        asked = self.live(fresh) if limits is None else self.by_batch(fresh, limits)
        out &= {want.key for want in asking.wanted}
        return asked._replace(awaited=asked.awaited | out)

    def live(self, asking: Asking) -> Asked:
        """Asks live, unless this run was told already that it is served no more."""
        whose = account(asking.pin)
        model = f"{whose} {asking.pin.model}"
        shut = self.shut.get(whose) or self.shut.get(model)
        if asking.wanted and shut:
            return Asked(rest=shut)
        asked = live.ask(asking, stop=self.stop)
        if isinstance(asked.rest, Failure) and asked.rest.code in ENDS_RUN:
            self.shut[model if asked.rest.code == OTHER_MODEL else whose] = asked.rest
        return asked

    def batched(self, asking: Asking) -> BatchLimits | None:
        """The pin's limits where these questions go by batch; None where they are asked live."""
        evaluator = asking.work.evaluator
        return batched(self.catalog, evaluator, asking.work.night, asking.wanted, self.now)

    def by_batch(self, asking: Asking, limits: BatchLimits) -> Asked:
        """Writes batches down and hands them in, as far as the day's budget goes."""
        try:
            client = models.open_client(asking.pin)
        except models.Unavailable as error:
            return Asked(rest=Skip(error.reason))
        granted, reserved = affordable(asking)
        rest = None if granted == len(asking.wanted) else Skip("budget")
        desk = Desk(self.lake, asking.pin, client, limits, self.now.timestamp())
        made = batch.intend(desk, asking, asking.wanted[:granted])
        if asking.purse:  # each batch is booked by its own name now
            asking.purse.settle(asking.work.evaluator.app, reserved, Spent(0.0, 0))

        async def hand_in() -> None:
            for one in made:
                await batch.advance(desk, one.tag)

        asyncio.run(closing(client, hand_in))
        awaited = frozenset(want.key for want in asking.wanted[:granted])
        return Asked(rest=rest, awaited=awaited)


def batched(
    catalog: Catalog, evaluator: Evaluator, night: date, wanted: Sequence[Wanted], now: datetime
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
    if again or len(wanted) < limits.smallest or late(catalog, night, limits, now):
        return None
    return limits


def late(catalog: Catalog, night: date, limits: BatchLimits, now: datetime) -> bool:
    """Whether a batch may miss the night's deadline, and asking now would not."""
    hours = catalog.day_begins + 24 + catalog.deadline_h
    due = datetime.combine(night, time(), UTC) + timedelta(hours=hours)
    return now < due < now + timedelta(hours=limits.window_h)


def affordable(asking: Asking) -> tuple[int, Spent]:
    """How many questions the day's budget has room for at a batch's price, and what it reserved."""
    price = asking.pin.price_on(asking.work.night)
    share = price.batch if price else 0.0
    costs = [asking.most(want) * share for want in asking.wanted]
    purse, app = asking.purse, asking.work.evaluator.app
    granted = purse.reserve(app, costs) if purse else len(costs)
    return granted, Spent(sum(costs[:granted]), granted)


async def closing(client: Any, work: Callable[[], Awaitable[T]]) -> T:
    """Some work with a client, which gives its connections back."""
    try:
        return await work()
    finally:
        await client.close()


def returned(lake: Lake, catalog: Catalog, journal: Journal, now: datetime) -> list[Ticket]:
    """Moves every batch under way, and takes in those that are over.

    A submission that a death or an outage interrupted is carried on. Returns the batches that
    are over now.
    """
    over = []
    for found in under_way(lake):
        desk = desk_of(lake, catalog, found, now)
        if desk is not None:
            done = asyncio.run(closing(desk.client, lambda d=desk, t=found: step(d, t, journal)))
            over += [done] if not done.open else []
    return over


async def step(desk: Desk, found: Ticket, journal: Journal) -> Ticket:
    """One batch as far as it goes now."""
    try:
        moved, seen = await batch.advance(desk, found.tag)
        if moved.state == "refused":
            return batch.give_up(desk, moved, journal)
        if seen is not None and seen.is_over:
            return await batch.collect(desk, moved, seen, journal)
    except models.ModelError as error:
        return remember(desk.lake, batch.troubled(found, error))
    return moved


def heard(lake: Lake, catalog: Catalog, now: datetime) -> list[Ticket]:
    """How every batch under way stands with its provider; takes nothing in."""
    seen = []
    for found in under_way(lake):
        desk = desk_of(lake, catalog, found, now)
        if desk is not None:
            look = closing(desk.client, lambda d=desk, t=found: batch.advance(d, t.tag))
            seen.append(asyncio.run(look)[0])
    return seen


def cancelled(lake: Lake, catalog: Catalog, found: Ticket, now: datetime) -> Ticket:
    """Asks the provider to end a batch; what is done by then is charged and comes back.

    Raises:
        ModelError: when the provider cannot be reached.
        Unavailable: when its model cannot be asked here.
    """
    if found.state != "submitted":  # nobody knows of it yet: it ends here
        return remember(lake, found.moved("refused", problem="cancelled before it was handed in"))
    desk = desk_of(lake, catalog, found, now)
    if desk is None:
        raise models.Unavailable("no-model", f"{found.pin['name']} cannot be asked here")

    async def end() -> Ticket:
        seen = await desk.api.cancel(found.batch_id or "")
        return remember(lake, found.moved("submitted", status=seen.status))

    return asyncio.run(closing(desk.client, end))


def desk_of(lake: Lake, catalog: Catalog, found: Ticket, now: datetime) -> Desk | None:
    """Where a batch was handed in; None where its model cannot be asked on this machine now."""
    pin = ModelPin.model_validate(found.pin)
    pin = pin.served_as(catalog.models.get(pin.name))
    limits = pin.batches
    try:
        client = models.open_client(pin)
    except models.Unavailable:
        return None
    return Desk(lake, pin, client, limits or BatchLimits(), now.timestamp())


def nights_of(found: Iterable[Ticket]) -> list[date]:
    """The nights that batches were handed in for, oldest first."""
    return sorted({date.fromisoformat(one.night) for one in found})
