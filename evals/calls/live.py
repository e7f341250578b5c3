"""Calls models live, many calls at once: paced, within the budget, each answer written at once.

`requests` builds the questions, `concurrency` sets the pace, `day_budget` the spending.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TypeVar

from evals import models
from evals.calls.circuit_breaker import (
    ACCOUNT_CODES,
    PROVIDER_DOWN,
    RATE_LIMITED,
    RUN_ENDING,
    CircuitBreaker,
)
from evals.calls.concurrency import AccountGate, Turn
from evals.calls.day_budget import Spent
from evals.calls.requests import (
    MAYBE_CHARGED,
    CallPlan,
    CallsResult,
    Question,
    add_earlier_cost,
)
from evals.calls.server_memory import load_logprob_limits, store_logprob_limits
from evals.calls.shared_state import SharedState
from evals.calls.stop import Stop
from evals.privacy import redaction
from evals.records import Answer, Failure, Skip

T = TypeVar("T")

CALL_ATTEMPTS = 4
"""Times one call is tried within a run before it counts as failed."""

BACKOFF_S = 0.25
SHORTEST_S = 0.25
"""Seconds a question must have left for another attempt."""
LONGEST_WAIT_S = 60.0
BLOCK = 64
"""The most calls whose money is reserved in one transaction. Small, since the reservations of a
crashed run count as spent."""
GRACE_S = 5.0
"""Seconds that calls under way may still take after a request to stop."""
SPARE = 3
"""Further workers for each one, where calls are refused at any load and wait to be repeated."""
GIVEN_UP = {
    **{code: Skip(code) for code in (PROVIDER_DOWN, RATE_LIMITED)},
    **{code: Failure(code, models.FAULTS[code], retryable=True) for code in sorted(ACCOUNT_CODES)},
}
"""What becomes of questions given up unasked, by the circuit breaker's code."""
PAST_DEADLINE = Skip("night-deadline")


def ask_live(
    plan: CallPlan, circuit: CircuitBreaker | None = None, stop: Stop | None = None
) -> CallsResult:
    """Asks every question of one evaluator's night.

    Raises:
        Stopped: when it was stopped; the answers so far are in the journal.
    """
    if not plan.wanted:
        return CallsResult()
    try:
        client = models.open_client(plan.pin)
    except models.Unavailable as error:
        return CallsResult(rest=Skip(error.reason))
    redaction.redact_all("")  # compiles its patterns before an answer waits for them
    shared = SharedState(plan.lake)
    try:
        load_logprob_limits(shared)
        route = f"{plan.work.evaluator.route} {plan.judge.mode}"
        gate = AccountGate(plan.pin, shared, circuit, route=route)
        live = LiveRun(client, plan, gate, stop or Stop())
        with live.stop.wake_on_request(live.wake):
            return run_loop(live.ask_all())
    finally:
        store_logprob_limits(shared)
        shared.close()


def run_loop(work: Coroutine[object, None, T]) -> T:
    """Runs a coroutine, on uvloop where installed: a fifth less CPU per call."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


class LiveRun:
    """The live calls of one evaluator's night: workers, spending, and why they stopped."""

    def __init__(
        self, client: models.Client, plan: CallPlan, gate: AccountGate, stop: Stop
    ) -> None:
        self.client, self.plan, self.gate, self.stop = client, plan, gate, stop
        self.loop: asyncio.AbstractEventLoop | None = None
        self.group: asyncio.TaskGroup | None = None
        self.workers: set[asyncio.Task[None]] = set()
        self.calling: set[asyncio.Task[object] | None] = set()
        """The workers whose call is with the provider, or was when they were cancelled."""
        self.queue = list(reversed(plan.wanted))
        self.block: list[float] = []
        """The most each call may cost that is granted and not begun, the next one last."""
        self.finished: list[tuple[float, Spent]] = []
        """What each ended call had reserved, and what it cost."""
        self.under_way = 0
        self.done = asyncio.Event()
        self.calls, self.usd = 0, 0.0
        self.rest: Failure | Skip | None = None
        """Why the remaining questions are not asked; set, it ends the run's calls."""
        self.dropped: Skip | None = None
        """Why single questions were not asked."""

    async def ask_all(self) -> CallsResult:
        """Asks every question, or as many as budget, hours, deadline and provider allow."""
        self.loop = asyncio.get_running_loop()
        workers = min(self.plan.pin.concurrency, len(self.plan))
        deadline = self.loop.call_later(self.plan.left_s, self.end_at_deadline)
        try:
            async with asyncio.TaskGroup() as self.group:
                for _ in range(workers):
                    self.add_worker()
                self.end_if_stopped()  # a request may have come before there was a loop to wake
            deadline.cancel()
            async with asyncio.TaskGroup() as group:
                self.workers = {group.create_task(self.refresh_models())}
                self.end_if_stopped()
        finally:
            self.finished += [(most, Spent(0.0, 0)) for most in self.block]
            self.book_finished()
            self.gate.close()
            await self.client.close()
        ends_run = self.rest is not None and self.gate.circuit.reason in RUN_ENDING
        return CallsResult(self.calls, self.usd, self.rest or self.dropped, ends_run=ends_run)

    def add_worker(self) -> None:
        """Adds a worker, while there are questions."""
        if self.group and self.queue:
            self.workers.add(self.group.create_task(self.work_queue()))

    async def refresh_models(self) -> None:
        """Refreshes the provider's list of models, while its client is open anyway."""
        today = datetime.now(UTC).date()
        await models.refresh_model_list_daily(self.plan.lake, self.client, today)

    def wake(self) -> None:
        """Makes the event loop check for a request to stop; callable from any thread."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.end_if_stopped)

    def end_if_stopped(self) -> None:
        """On a request to stop, cancels waiting workers at once and calls after a grace period."""
        if self.stop.requested:
            for worker in self.workers - self.calling:
                worker.cancel()
            asyncio.get_running_loop().call_later(GRACE_S, self.end_calls)

    def end_calls(self) -> None:
        """Cancels the calls that are still under way."""
        for worker in self.workers:
            worker.cancel()

    def end_at_deadline(self) -> None:
        """Leaves what is not asked to the next run; calls under way have a grace period."""
        self.rest = self.rest or PAST_DEADLINE
        for worker in self.workers - self.calling:
            worker.cancel()
        asyncio.get_running_loop().call_later(GRACE_S, self.end_calls)

    async def work_queue(self) -> None:
        """Asks questions from the queue until it is empty or the run has to stop."""
        while self.queue and self.rest is None and not self.stop.requested:
            if not self.block and not self.reserve_budget():
                if self.rest or not self.under_way:
                    self.rest = self.rest or Skip("budget")
                    return
                self.done.clear()
                await self.done.wait()  # reservations that other calls release may be enough
                continue
            question, most = self.plan.build_question(self.queue.pop()), self.block.pop()
            self.under_way += 1
            try:
                await self.ask_one(question, most)
            finally:
                self.under_way -= 1
                self.done.set()

    async def ask_one(self, question: Question, most: float) -> None:
        """Asks one question; writes its answer or failure, or notes why the run has to stop."""
        spent, answer = Spent(0.0, 0), None
        try:
            answer = await self.get_answer(question, most)
        except models.ModelError as error:
            if error.code == self.gate.circuit.reason:
                self.rest = GIVEN_UP[error.code]
            elif error.code == RATE_LIMITED:  # no fault of the question's
                self.dropped = Skip(error.code)
            else:
                answer = self.plan.build_failure(question, error)
        except asyncio.CancelledError:
            sent = asyncio.current_task() in self.calling
            self.finished.append((most, Spent(most, 1) if sent else spent))
            raise
        if answer is not None:
            self.plan.save_answer(answer)
            usd = answer.cost_usd or 0.0
            spent = Spent(most if answer.code in MAYBE_CHARGED else usd, 1)
            self.calls, self.usd = self.calls + 1, self.usd + usd
        self.finished.append((most, spent))

    async def get_answer(self, question: Question, most: float) -> Answer:
        """Gets the answer to a question; one that ends in its middle is asked for once more."""
        plan = self.plan
        answer = plan.build_answer(question, await self.call_model(question, most))
        if not plan.model.is_cut_off(plan.work.evaluator, answer) or not self.reserve(most):
            return answer
        self.finished.append((most, Spent(0.0, 1)))  # its cost is booked with the second's
        try:
            again = plan.build_answer(question, await self.call_model(question, most))
        except models.ModelError:
            return answer
        return add_earlier_cost(again, answer)

    def reserve_budget(self) -> bool:
        """Reserves money for the next calls; returns whether any was granted."""
        if not self.plan.pin.limits.is_open_at(datetime.now(UTC)):
            self.rest = Skip("outside-hours")
            return False
        self.book_finished()
        budget = self.plan.budget
        block = min(BLOCK, self.plan.pin.concurrency)
        costs = [self.plan.max_cost(want) for want in reversed(self.queue[-block:])]
        granted = budget.reserve(self.plan.work.evaluator.app, costs) if budget else len(costs)
        self.block = costs[:granted][::-1]
        return bool(granted)

    def book_finished(self) -> None:
        """Books the calls that have ended, and releases their reservations."""
        if self.plan.budget and self.finished:
            reserved = Spent(sum(most for most, _ in self.finished), len(self.finished))
            came = [spent for _, spent in self.finished]
            spent = Spent(sum(one.usd for one in came), sum(one.calls for one in came))
            self.plan.budget.book_spent(self.plan.work.evaluator.app, reserved, spent)
        self.finished = []

    def reserve_retry(self, most: float) -> bool:
        """Reserves money for a retry, and books the lost call at its most; False: none is left."""
        if not self.reserve(most):
            return False
        self.finished.append((most, Spent(most, 1)))
        return True

    def reserve(self, most: float) -> bool:
        """Reserves money for one more call; returns whether it was granted."""
        budget = self.plan.budget
        return not budget or bool(budget.reserve(self.plan.work.evaluator.app, [most]))

    async def call_model(self, question: Question, most: float) -> models.Reply:
        """Makes one call, and retries it while its error may pass and the deadline allows.

        The deadline counts calls and backoff, not the wait for a turn under the rate limit. The
        loop is our own: a retry library's bookkeeping slows every call, and few are retried.
        """
        tokens = question.chars / 4 + 50
        clock, pin = asyncio.get_running_loop().time, self.plan.pin
        left, attempt, last = pin.deadline_s, 1, None
        while True:
            turn = await self.enter_gate(question, tokens, last)
            sent = clock()
            try:
                reply = await self.send_once(question, min(pin.timeout_s, left))
            except models.ModelError as error:
                last = error
                self.gate.record_failure(question.key, error, turn)
                wait = choose_wait(error, attempt)
                left -= clock() - sent + wait
                final = not error.retryable or error.code in ACCOUNT_CODES
                if final or attempt >= CALL_ATTEMPTS or left < SHORTEST_S:
                    self.gate.circuit.record_give_up(question.key, error.code)
                    raise
                if error.code in MAYBE_CHARGED and not self.reserve_retry(most):
                    raise
                attempt += error.code != RATE_LIMITED  # a rate limit is no failed attempt
                self.add_spare_worker()
                await asyncio.sleep(wait)
            else:
                self.gate.record_answer(reply, tokens, turn)
                return reply

    async def enter_gate(
        self, question: Question, tokens: float, last: models.ModelError | None
    ) -> Turn:
        """Waits for a turn; where the provider is given up, raises a question's own last error."""
        try:
            return await self.gate.enter(question.key, tokens)
        except models.ModelError:
            if last is None:
                raise
        raise last

    def add_spare_worker(self) -> None:
        """Adds a worker while another waits to repeat a call, where that wait spares no load."""
        if self.gate.is_refused_at_any_load and (
            len(self.workers) < (1 + SPARE) * self.plan.pin.concurrency
        ):
            self.add_worker()

    async def send_once(self, question: Question, timeout_s: float) -> models.Reply:
        """Makes one attempt; a call cancelled under way stays in `calling`: it may be charged."""
        me = asyncio.current_task()
        self.calling.add(me)
        try:
            reply = await self.client.ask(question.request, timeout_s)
        except models.ModelError:
            self.calling.discard(me)
            if me and (self.stop.requested or self.rest == PAST_DEADLINE):
                me.cancel()  # instead of waiting for a retry
            raise
        self.calling.discard(me)
        return reply


def choose_wait(error: models.ModelError, attempt: int) -> float:
    """Returns the seconds to wait: those the provider requested, plus backoff with full jitter."""
    jitter = random.uniform(0, BACKOFF_S * 2**attempt)  # noqa: S311  not a secret
    return min(error.wait_s or 0.0, LONGEST_WAIT_S) + jitter
