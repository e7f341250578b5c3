"""How many calls an account takes at once: what works, found by trying, shared by all who ask.

The window grows while calls succeed and shrinks when the provider says `too many` or falls
silent. Latency is no sign: a judge that writes twice as much takes twice as long. The pace is one
for all evaluators, runs and processes of a home. Requests and tokens per minute are bounded by
`rate_limiter`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Callable
from time import time

from evals.calls.circuit_breaker import RATE_LIMITED, CircuitBreaker
from evals.calls.rate_limiter import RateLimiter
from evals.calls.shared_state import SharedState
from evals.models import Limits, ModelError, Reply
from evals.specs import ModelPin

START_WINDOW = 64
"""Calls under way at first, where more are allowed: doubled each round until something gives."""
SHRINK = 0.7
OVERLOAD_CODES = frozenset({RATE_LIMITED, "timeout"})
"""Codes that mean: too many at once."""
SMALL_WINDOW = 2.0
"""A window below it cannot shrink: what is too much then is the pace, so calls begin apart."""
LEAST_GAP_S, SHORT_GAP_S = 0.1, 0.005
WIDER, NARROWER = 1.5, 0.95
"""What a refusal and an answer make of the gap between calls: about one refusal in nine settles."""
SYNC_S = 0.5
HOLDER_TIMEOUT_S = 3.0
"""Seconds after which a process that says nothing has no part in an account any more."""
WINDOW_MEMORY_S = 3600.0
RESERVED_SHARE = 0.1
"""The share of an account's limit that is the product's alone: below it the evaluation waits."""
LONGEST_PAUSE_S = 60.0


def name_account(pin: ModelPin) -> str:
    """Who is asked on whose account: the server and the key's variable."""
    where = pin.azure.endpoint if pin.azure else pin.base_url
    return f"{where or pin.provider} {pin.api_key_env or ''}"


class AccountGate:
    """The one way to an account: whoever wants to ask enters, and leaves with how it went."""

    def __init__(
        self,
        pin: ModelPin,
        shared: SharedState,
        circuit: CircuitBreaker | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self.shared, self.clock, self.circuit = shared, clock, circuit or CircuitBreaker()
        self.account = name_account(pin)
        self.limiter = RateLimiter(shared, f"{self.account} {pin.model}", pin.limits, clock)
        self.holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self.most = float(pin.concurrency)
        self.window = self.base = 0.0
        """This process's part of the account's window, and what it was at the last look."""
        self.starting = True
        self.gap_s = self.next_at = 0.0
        """Seconds between the beginnings of two calls, where fewer at once were no help."""
        self.active = 0
        self.queue: deque[asyncio.Future[None]] = deque()
        self.synced_at = self.shrunk_at = self.paused_until = 0.0
        self.sync()

    async def enter(self, key: str, tokens: float) -> float:
        """Waits for a turn; returns when it came.

        Args:
            key: the question's, for the circuit.
            tokens: what it will take, about.

        Raises:
            ModelError: when the circuit has given the provider up, with the circuit's code.
        """
        while True:
            if self.active >= max(1, int(self.window)):
                turn = asyncio.get_running_loop().create_future()
                self.queue.append(turn)
                await turn
            elif (wait := self.seconds_to_wait(key)) > 0:
                await asyncio.sleep(min(wait, 1.0))
            else:
                break
        self.active += 1
        if self.gap_s:
            self.next_at = self.clock() + self.gap_s
        try:
            await self.limiter.acquire(tokens)
        except BaseException:
            self.release()
            raise
        return self.clock()

    def seconds_to_wait(self, key: str) -> float:
        """Seconds to wait before asking, by the circuit and by what the provider asked for."""
        now = self.clock()
        if now - self.synced_at > SYNC_S:
            self.sync()
        wait = self.circuit.seconds_to_wait(key, now)
        if wait is None:
            self.wake()
            raise ModelError(self.circuit.reason, "given up for now", retryable=True)
        return max(wait, self.paused_until - now, self.next_at - now)

    def record_answer(self, reply: Reply, tokens: float) -> None:
        """A call is over, with an answer."""
        self.release()
        self.circuit.record_success()
        self.limiter.correct(tokens, reply.tokens_in + reply.tokens_out)
        self.apply_limits(reply.limits)
        grown = self.window + (1.0 if self.starting else 1.0 / max(self.window, 1.0))
        self.window = min(self.most, grown)
        if self.gap_s:
            self.gap_s = self.gap_s * NARROWER if self.gap_s > SHORT_GAP_S else 0.0

    def record_failure(self, key: str, error: ModelError, began: float) -> None:
        """A call is over, without one."""
        self.release()
        now = self.clock()
        self.circuit.record_failure(key, error.code, now)
        self.apply_limits(error.limits)
        if (
            error.code in OVERLOAD_CODES and began > self.shrunk_at
        ):  # one step for one round of calls
            self.window, self.starting, self.shrunk_at = max(1.0, self.window * SHRINK), False, now
            if error.code == RATE_LIMITED and (self.window < SMALL_WINDOW or self.gap_s):
                self.gap_s = min(max(LEAST_GAP_S, self.gap_s * WIDER), LONGEST_PAUSE_S)
                self.pause_for(error.wait_s or self.gap_s)

    def apply_limits(self, limits: Limits | None) -> None:
        """Learns the account's limits, and waits for their reset where little is left of them."""
        if limits is None:
            return
        self.limiter.apply_limits(limits)
        for most, left, reset_s in (limits[:3], limits[3:]):
            if most and left is not None and left < most * RESERVED_SHARE:
                self.pause_for(reset_s or 1.0)

    def pause_for(self, seconds: float) -> None:
        """Nobody asks for a while."""
        until = self.clock() + min(seconds, LONGEST_PAUSE_S)
        self.paused_until = max(self.paused_until, until)

    def release(self) -> None:
        """One call fewer is under way."""
        self.active -= 1
        self.wake()

    def wake(self) -> None:
        """Lets those who wait look again, as many as there is room for."""
        room = max(1, int(self.window)) - self.active
        while self.queue and room > 0:
            turn = self.queue.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1

    def sync(self) -> None:
        """Tells the others what was learned, hears what they did, and takes a fair part."""
        now = self.synced_at = self.clock()
        with self.shared.transaction() as db:
            db.execute("delete from holder where seen_at < ?", (now - HOLDER_TIMEOUT_S,))
            here = (self.account, self.holder, now)
            db.execute("insert or replace into holder values (?, ?, ?)", here)
            count = "select count(*) from holder where account = ?"
            (holders,) = db.execute(count, (self.account,)).fetchone()
            row = db.execute(
                "select window, paused_until, down_until from account"
                " where account = ? and learned_at > ?",
                (self.account, now - WINDOW_MEMORY_S),
            ).fetchone()
            known, paused_until, down_until = row or (float(START_WINDOW), 0.0, 0.0)
            whole = min(self.most, max(1.0, known + self.window - self.base))
            self.paused_until = max(self.paused_until, paused_until)
            self.circuit.adopt_outage(down_until, now)
            db.execute(
                "insert or replace into account"
                " (account, window, learned_at, paused_until, down_until) values (?, ?, ?, ?, ?)",
                (self.account, whole, now, self.paused_until, self.circuit.down_until),
            )
        self.window = self.base = max(1.0, whole / holders)

    def close(self) -> None:
        """Gives this process's part to the others."""
        self.sync()
        with self.shared.transaction() as db:
            db.execute("delete from holder where holder = ?", (self.holder,))
