"""Adaptive concurrency: how many calls an account takes at once.

The window grows while calls succeed and shrinks on timeouts and on rate limits, except those that
come at any load. Latency is no signal: a judge that writes twice as much takes twice as long. All
evaluators, runs and processes of a home share one window. `rate_limiter` bounds requests and tokens
per minute, `refusals` decides which rate limits the load causes.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Callable
from time import time
from typing import NamedTuple

from evals.calls.circuit_breaker import ACCOUNT_CODES, RATE_LIMITED, CircuitBreaker
from evals.calls.rate_limiter import RateLimiter
from evals.calls.refusals import Refusals
from evals.calls.server_memory import has_answered, record_answered, record_refused
from evals.calls.shared_state import SharedState
from evals.models import Limits, ModelError, Reply
from evals.specs import ModelPin

START_WINDOW = 64
"""Calls under way at first, where the pin allows as many; doubles each round until a failure."""
SHRINK = 0.7
OVERLOAD_CODES = frozenset({RATE_LIMITED, "timeout"})
"""Error codes of too many calls at once."""
SMALL_WINDOW = 2.0
"""Below this window, calls are spaced in time, since fewer at once hardly slow the pace."""
LEAST_GAP_S, SHORT_GAP_S = 0.1, 0.005
WIDER, NARROWER = 1.5, 0.95
"""How a rate limit and an answer scale the gap; it is steady at one rate limit in nine calls."""
LONGEST_GAP_S = 5.0
"""The most seconds between two calls; where the provider requests a wait, it is the most."""
FIRST_LATENCY_S = 1.0
"""A call's seconds until the first answer."""
LEAST_LOAD = 0.01
SYNC_S = 0.5
HOLDER_TIMEOUT_S = 3.0
"""Seconds without a heartbeat after which a process loses its share of an account."""
WINDOW_MEMORY_S = 3600.0
RESERVED_SHARE = 0.1
"""The share of an account's limit reserved for production; below it the evaluation waits."""
LONGEST_PAUSE_S = 60.0
FIRST_CALL_S = 2.0
"""Seconds for which the first call of a route that never answered is alone; a refusal of the key
or the address comes sooner."""
FEW_REFUSALS = 3
"""Questions, one after the other, that such a route may refuse before it is given up."""


def name_account(pin: ModelPin) -> str:
    """Names an account by its server and the environment variable of its key."""
    server = pin.azure.endpoint if pin.azure else pin.base_url
    return f"{server or pin.provider} {pin.api_key_env or ''}"


MET_HERE: set[str] = set()
"""Accounts whose outage this process has met, so that its later evaluators take it over."""


class Turn(NamedTuple):
    """A call's turn."""

    began: float
    """When it started."""
    load: float
    """How many calls were under way then, itself included, or would be at their distance."""


class AccountGate:
    """Limits the calls to an account: each one enters, then records an answer or a failure."""

    def __init__(
        self,
        pin: ModelPin,
        shared: SharedState,
        circuit: CircuitBreaker | None = None,
        clock: Callable[[], float] = time,
        route: str = "",
    ) -> None:
        self.shared, self.clock = shared, clock
        self.circuit = circuit or CircuitBreaker(refused_s=pin.deadline_s)
        self.account = name_account(pin)
        self.limiter = RateLimiter(shared, f"{self.account} {pin.model}", pin.limits, clock)
        self.holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self.most = float(pin.concurrency)
        self.window = self.base = 0.0
        """This process's share of the account's window, now and at the last `sync`."""
        self.starting = True
        self.gap_s = self.next_at = 0.0
        """Seconds between the starts of two calls, and when the next may start."""
        self.latency_s = FIRST_LATENCY_S
        """A call's seconds, lately."""
        self.refusals = Refusals()
        self.active = 0
        self.queue: deque[asyncio.Future[None]] = deque()
        self.synced_at = self.shrunk_at = self.paused_until = 0.0
        self.route = route
        self.is_proving = bool(route) and not has_answered(shared, route)
        """Whether one call goes at a time, until the route is known to take any."""
        if self.is_proving:
            self.circuit.most_refusals = FEW_REFUSALS
        self.timer: asyncio.TimerHandle | None = None
        self.sync()

    @property
    def slots(self) -> int:
        """How many calls may be under way."""
        return 1 if self.is_proving else max(1, int(self.window))

    @property
    def load(self) -> float:
        """How many calls are under way at once; below 1 where they are spaced far apart."""
        spaced = max(self.latency_s / self.gap_s, LEAST_LOAD) if self.gap_s else self.most
        return min(self.active, spaced)

    @property
    def is_refused_at_any_load(self) -> bool:
        """Whether the provider refuses calls whatever the load: another one may go meanwhile."""
        return self.refusals.estimate_share() > 0

    async def enter(self, key: str, tokens: float) -> Turn:
        """Waits until a call may start; returns its turn.

        Args:
            key: the question's key, for the circuit breaker.
            tokens: how many it will use, estimated.

        Raises:
            ModelError: when the circuit breaker has given the provider up, with its code.
        """
        while True:
            if self.active >= self.slots:
                turn = asyncio.get_running_loop().create_future()
                self.queue.append(turn)
                await turn
            elif (wait := self.seconds_to_wait(key)) > 0:
                await asyncio.sleep(min(wait, 1.0))
            else:
                break
        self.active += 1
        if self.is_proving and self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(FIRST_CALL_S, self.end_proof)
        if self.gap_s:
            self.next_at = self.clock() + self.gap_s
        try:
            await self.limiter.acquire(tokens)
        except BaseException:
            self.release()
            raise
        return Turn(self.clock(), self.load)

    def seconds_to_wait(self, key: str) -> float:
        """Returns the seconds to wait, by the circuit breaker, the pauses and the gap."""
        now = self.clock()
        if now - self.synced_at > SYNC_S:
            self.sync()
        wait = self.circuit.seconds_to_wait(key, now)
        if wait is None:
            self.wake()
            raise ModelError(self.circuit.reason, "given up for now", retryable=True)
        return max(wait, self.paused_until - now, self.next_at - now)

    def record_answer(self, reply: Reply, tokens: float, turn: Turn) -> None:
        """Records an answered call, and widens the window."""
        if self.is_proving:
            record_answered(self.shared, self.route)
            self.end_proof()
        self.release()
        now = self.clock()
        self.refusals.record(turn.load, now, refused=False)
        self.latency_s += (now - turn.began - self.latency_s) / 8
        self.circuit.record_success()
        self.limiter.correct_usage(tokens, reply.tokens_in + reply.tokens_out)
        self.apply_limits(reply.limits)
        grown = self.window + (1.0 if self.starting else 1.0 / max(self.window, 1.0))
        self.window = min(self.most, grown)
        self.shorten_gap()

    def shorten_gap(self) -> None:
        """Lets calls start at a shorter distance, if they have one."""
        if self.gap_s:
            self.gap_s = self.gap_s * NARROWER if self.gap_s > SHORT_GAP_S else 0.0

    def record_failure(self, key: str, error: ModelError, turn: Turn) -> None:
        """Records a failed call; an overload narrows the window."""
        if error.code in ACCOUNT_CODES:
            self.cancel_timer()
        elif self.is_proving:
            self.end_proof()
        self.release()
        now = self.clock()
        self.circuit.record_failure(key, error.code, now)
        self.apply_limits(error.limits)
        if error.code == RATE_LIMITED and not self.refusals.record(turn.load, now, refused=True):
            self.shorten_gap()
            return
        if error.code in OVERLOAD_CODES and turn.began > self.shrunk_at:  # once per round of calls
            self.window, self.starting, self.shrunk_at = max(1.0, self.window * SHRINK), False, now
            if error.code == RATE_LIMITED and (self.window < SMALL_WINDOW or self.gap_s):
                longest = max(LEAST_GAP_S, min(error.wait_s or LONGEST_GAP_S, LONGEST_PAUSE_S))
                self.gap_s = min(max(LEAST_GAP_S, self.gap_s * WIDER), longest)
                self.pause_for(error.wait_s or self.gap_s)

    def apply_limits(self, limits: Limits | None) -> None:
        """Adopts the limits a reply reports, and pauses until their reset where little is left."""
        if limits is None:
            return
        self.limiter.apply_limits(limits)
        for most, left, reset_s in (limits[:3], limits[3:]):
            if most and left is not None and left < most * RESERVED_SHARE:
                self.pause_for(reset_s or 1.0)

    def end_proof(self) -> None:
        """Lets the other calls go: the route answered, or failed in a way that proves nothing."""
        self.cancel_timer()
        self.is_proving, self.circuit.most_refusals = False, None
        self.wake()

    def cancel_timer(self) -> None:
        """Ends the limit of time for the first call."""
        if self.timer is not None:
            self.timer.cancel()

    def pause_for(self, seconds: float) -> None:
        """Lets no call start for some seconds."""
        until = self.clock() + min(seconds, LONGEST_PAUSE_S)
        self.paused_until = max(self.paused_until, until)

    def release(self) -> None:
        """Frees the slot of a call that has ended."""
        self.active -= 1
        self.wake()

    def wake(self) -> None:
        """Wakes as many waiting calls as the window has room for."""
        room = self.slots - self.active
        while self.queue and room > 0:
            turn = self.queue.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1

    def sync(self) -> None:
        """Exchanges window and pauses with other processes, and takes an equal share."""
        now = self.synced_at = self.clock()
        with self.shared.transaction() as db:
            db.execute("delete from holder where seen_at < ?", (now - HOLDER_TIMEOUT_S,))
            heartbeat = (self.account, self.holder, now)
            db.execute("insert or replace into holder values (?, ?, ?)", heartbeat)
            count = "select count(*) from holder where account = ?"
            (holders,) = db.execute(count, (self.account,)).fetchone()
            row = db.execute(
                "select window, paused_until, down_until from account"
                " where account = ? and learned_at > ?",
                (self.account, now - WINDOW_MEMORY_S),
            ).fetchone()
            shared_window, paused_until, down_until = row or (float(START_WINDOW), 0.0, 0.0)
            account_window = min(self.most, max(1.0, shared_window + self.window - self.base))
            self.paused_until = max(self.paused_until, paused_until)
            if self.circuit.down_until > now:
                MET_HERE.add(self.account)
            if holders > 1 or self.account in MET_HERE:  # of an ended run: it may be over
                self.circuit.adopt_outage(down_until, now)
            db.execute(
                "insert or replace into account"
                " (account, window, learned_at, paused_until, down_until) values (?, ?, ?, ?, ?)",
                (self.account, account_window, now, self.paused_until, self.circuit.down_until),
            )
        self.window = self.base = max(1.0, account_window / holders)

    def close(self) -> None:
        """Leaves this process's share to the others."""
        self.cancel_timer()
        if self.route and self.circuit.reason in ACCOUNT_CODES:
            record_refused(self.shared, self.route)
        self.sync()
        with self.shared.transaction() as db:
            db.execute("delete from holder where holder = ?", (self.holder,))
