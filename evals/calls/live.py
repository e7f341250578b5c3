"""Asks models live, many calls at once: paced, within the budget, each answer written at once.

`requests` decides what is asked, `concurrency` how fast, `day_budget` for how much.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from datetime import UTC, datetime

from evals import models
from evals.calls.circuit_breaker import (
    ACCOUNT_CODES,
    PROVIDER_DOWN,
    RATE_LIMITED,
    RUN_ENDING,
    CircuitBreaker,
)
from evals.calls.concurrency import AccountGate
from evals.calls.day_budget import Spent
from evals.calls.requests import CallPlan, CallsResult, Question
from evals.calls.shared_state import SharedState
from evals.calls.stop import Stop
from evals.privacy import redaction
from evals.records import Failure, Skip

CALL_ATTEMPTS = 4
"""Times one call is tried within a run before it counts as failed."""

BACKOFF_S = 0.25
SHORTEST_S = 0.25
"""Seconds a question must have left to be asked once more."""
LONGEST_WAIT_S = 60.0
BLOCK = 64
"""Calls whose money is reserved in one transaction, where as many are under way at once: what a
run that dies had reserved counts as spent."""
GRACE_S = 5.0
"""Seconds that calls under way have to be answered once asking is to stop."""
GIVEN_UP = {
    PROVIDER_DOWN: Failure(
        PROVIDER_DOWN, "the provider answered nothing for a while", retryable=True
    ),
    **{code: Failure(code, models.FAULTS[code], retryable=True) for code in sorted(RUN_ENDING)},
}
"""The failure of questions that were given up unasked, by the circuit's code."""
OUTSIDE_HOURS = Skip("outside-hours")
MAYBE_CHARGED = frozenset({"timeout", "truncated-response", "malformed-response"})
"""Codes of calls that the provider took and may charge, though no answer came: each counts."""


def ask_live(
    asking: CallPlan, circuit: CircuitBreaker | None = None, stop: Stop | None = None
) -> CallsResult:
    """Asks every question of one evaluator's night.

    Raises:
        Stopped: when it was stopped; what was answered is in the journal.
    """
    if not asking.wanted:
        return CallsResult()
    try:
        client = models.open_client(asking.pin)
    except models.Unavailable as error:
        return CallsResult(rest=Skip(error.reason))
    redaction.redact_all("")  # what it looks for is compiled before an answer waits for it
    shared = SharedState(asking.lake)
    try:
        live = LiveRun(client, asking, AccountGate(asking.pin, shared, circuit), stop or Stop())
        with live.stop.wake_on_request(live.wake):
            return run_loop(live.ask_all())
    finally:
        shared.close()


def run_loop(asked: Coroutine[object, None, CallsResult]) -> CallsResult:
    """Runs to the end, on uvloop where there is one: a fifth less CPU a call."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(asked)
    return uvloop.run(asked)


class LiveRun:
    """One evaluator's night on its way: workers, what they spent, and why they stopped."""

    def __init__(
        self, client: models.Client, asking: CallPlan, gate: AccountGate, stop: Stop
    ) -> None:
        self.client, self.asking, self.gate, self.stop = client, asking, gate, stop
        self.loop: asyncio.AbstractEventLoop | None = None
        self.workers: set[asyncio.Task[None]] = set()
        self.calling: set[asyncio.Task[object] | None] = set()
        """The workers whose call is with the provider, or was when they were cancelled."""
        self.queue = list(reversed(asking.wanted))
        self.block: list[float] = []
        """What each of the calls granted and not yet begun may cost, the next one last."""
        self.finished: list[tuple[float, Spent]] = []
        """What each call that is over had reserved, and what it came to."""
        self.under_way = 0
        self.done = asyncio.Event()
        self.calls, self.usd = 0, 0.0
        self.rest: Failure | Skip | None = None

    async def ask_all(self) -> CallsResult:
        """Asks every question, or as many as budget, hours and provider let it."""
        self.loop = asyncio.get_running_loop()
        workers = min(self.asking.pin.concurrency, len(self.asking))
        try:
            async with asyncio.TaskGroup() as group:
                self.workers = {group.create_task(self.work_queue()) for _ in range(workers)}
                self.end_if_stopped()  # a request may have come before there was a loop to wake
            async with asyncio.TaskGroup() as group:
                self.workers = {group.create_task(self.refresh_models())}
                self.end_if_stopped()
        finally:
            self.finished += [(most, Spent(0.0, 0)) for most in self.block]
            self.book_finished()
            self.gate.close()
            await self.client.close()
        return CallsResult(self.calls, self.usd, self.rest)

    async def refresh_models(self) -> None:
        """Reads the provider's list of models, while its client is open anyway."""
        today = datetime.now(UTC).date()
        await models.refresh_model_list_daily(self.asking.lake, self.client, today)

    def wake(self) -> None:
        """Stops soon, whichever thread wants it, and whatever the loop waits for."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.end_if_stopped)

    def end_if_stopped(self) -> None:
        """Ends whoever waits at once where asking is to stop, and calls under way after a grace."""
        if self.stop.requested:
            for worker in self.workers - self.calling:
                worker.cancel()
            asyncio.get_running_loop().call_later(GRACE_S, self.end_calls)

    def end_calls(self) -> None:
        """Ends the calls that are still under way."""
        for worker in self.workers:
            worker.cancel()

    async def work_queue(self) -> None:
        """Asks one question after the other."""
        while self.queue and self.rest is None and not self.stop.requested:
            if not self.block and not self.reserve_budget():
                if self.rest or not self.under_way:
                    self.rest = self.rest or Skip("budget")
                    return
                self.done.clear()
                await self.done.wait()  # what others give back may be enough
                continue
            question, most = self.asking.build_question(self.queue.pop()), self.block.pop()
            self.under_way += 1
            try:
                await self.ask_one(question, most)
            finally:
                self.under_way -= 1
                self.done.set()

    async def ask_one(self, question: Question, most: float) -> None:
        """One question to its end: an answer or a failure in the journal, or why it had to stop."""
        spent = Spent(0.0, 0)
        try:
            answer = self.asking.build_answer(question, await self.call_model(question, most))
        except models.ModelError as error:
            answer = (
                None
                if error.code == self.gate.circuit.reason
                else self.asking.build_failure(question, error)
            )
        except asyncio.CancelledError:
            sent = asyncio.current_task() in self.calling
            self.finished.append((most, Spent(most, 1) if sent else spent))
            raise
        if answer is None:
            self.rest = GIVEN_UP[self.gate.circuit.reason]
        else:
            self.asking.save_answer(answer)
            usd = answer.cost_usd or 0.0
            spent = Spent(most if answer.code in MAYBE_CHARGED else usd, 1)
            self.calls, self.usd = self.calls + 1, self.usd + usd
        self.finished.append((most, spent))

    def reserve_budget(self) -> bool:
        """Reserves money for the next calls; whether there was any."""
        if not self.asking.pin.limits.is_open_at(datetime.now(UTC)):
            self.rest = OUTSIDE_HOURS
            return False
        self.book_finished()
        budget = self.asking.budget
        block = min(BLOCK, self.asking.pin.concurrency)
        costs = [self.asking.max_cost(want) for want in reversed(self.queue[-block:])]
        granted = budget.reserve(self.asking.work.evaluator.app, costs) if budget else len(costs)
        self.block = costs[:granted][::-1]
        return bool(granted)

    def book_finished(self) -> None:
        """Books the calls that are over and gives their reservations back."""
        if self.asking.budget and self.finished:
            reserved = Spent(sum(most for most, _ in self.finished), len(self.finished))
            came = [spent for _, spent in self.finished]
            spent = Spent(sum(one.usd for one in came), sum(one.calls for one in came))
            self.asking.budget.book_spent(self.asking.work.evaluator.app, reserved, spent)
        self.finished = []

    def reserve_retry(self, most: float) -> bool:
        """Books a lost call at its most, and reserves another; whether there was money for it."""
        budget = self.asking.budget
        if budget and not budget.reserve(self.asking.work.evaluator.app, [most]):
            return False
        self.finished.append((most, Spent(most, 1)))
        return True

    async def call_model(self, question: Question, most: float) -> models.Reply:
        """One call, tried again while its error may pass; waits as long as the provider asks.

        Its deadline is for the provider: to wait for a turn under the ceiling costs it nothing.
        The loop is our own: a retry library's bookkeeping costs every call, and few are retried.
        """
        tokens = question.chars / 4 + 50
        clock, pin = asyncio.get_running_loop().time, self.asking.pin
        left, attempt = pin.deadline_s, 1
        while True:
            began = await self.gate.enter(question.key, tokens)
            sent = clock()
            try:
                reply = await self.send_once(question, min(pin.timeout_s, left))
            except models.ModelError as error:
                self.gate.record_failure(question.key, error, began)
                wait = choose_wait(error, attempt)
                left -= clock() - sent + wait
                final = not error.retryable or error.code in ACCOUNT_CODES
                if final or attempt >= CALL_ATTEMPTS or left < SHORTEST_S:
                    self.gate.circuit.record_give_up(question.key, error.code)
                    raise
                if error.code in MAYBE_CHARGED and not self.reserve_retry(most):
                    raise
                attempt += error.code != RATE_LIMITED  # to be told `not now` is no failure
                await asyncio.sleep(wait)
            else:
                self.gate.record_answer(reply, tokens)
                return reply

    async def send_once(self, question: Question, timeout_s: float) -> models.Reply:
        """One attempt of a call; one cancelled under way stays in `calling`: it may be charged."""
        me = asyncio.current_task()
        self.calling.add(me)
        try:
            reply = await self.client.ask(question.request, timeout_s)
        except models.ModelError:
            self.calling.discard(me)
            if me and self.stop.requested:
                me.cancel()  # it would wait, to try again
            raise
        self.calling.discard(me)
        return reply


def choose_wait(error: models.ModelError, attempt: int) -> float:
    """Full jitter over a doubling backoff, on top of what the provider asks for."""
    jitter = random.uniform(0, BACKOFF_S * 2**attempt)  # noqa: S311  not a secret
    return min(error.wait_s or 0.0, LONGEST_WAIT_S) + jitter
