"""An account gate before a simulated provider, in virtual time: minutes pass in milliseconds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple

from evals.calls.concurrency import AccountGate
from evals.calls.live import choose_wait
from evals.calls.shared_state import SharedState
from evals.models import ModelError, Reply
from evals.specs import ModelPin

REPLY = Reply("yes", None, "m-2026-01-01", None, None, 5, 5)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        select = self._selector.select

        def jump(timeout: float | None = None) -> list:
            ready = select(0)
            if not ready:
                self.now += max(timeout or 0.0, 1e-6)  # a shorter wait would not move the clock
            return ready

        self._selector.select = jump

    def time(self) -> float:
        """Returns virtual seconds."""
        return self.now


class Provider:
    """A provider that answers after a while, or refuses."""

    def __init__(self, refuses: Callable[[Provider, float], bool], seed: int = 1) -> None:
        self.refuses, self.random = refuses, random.Random(seed)
        self.inside = self.answered = self.refused = 0
        self.level = 2.0
        self.filled_at: float | None = None

    def draw_token(self, now: float, per_second: float) -> bool:
        """Takes a token from a bucket of two; returns whether there was one."""
        since = now - (now if self.filled_at is None else self.filled_at)
        self.level, self.filled_at = min(2.0, self.level + since * per_second), now
        self.level -= (has_token := self.level >= 1)
        return has_token


class Simulated(NamedTuple):
    """How a simulation ended."""

    seconds: float
    refused: int


def send_calls(
    shared: SharedState, provider: Provider, calls: int, latency_s: float, retry_after_s: float
) -> Simulated:
    """Sends calls by sixteen workers until all are answered."""
    loop = VirtualLoop()
    pin = ModelPin(name="m", model="m-2026-01-01", base_url="http://127.0.0.1:1/v1")
    gate = AccountGate(pin, shared, clock=loop.time)
    queue = [str(number) for number in range(calls)]

    async def work() -> None:
        while queue:
            key = queue.pop()
            while not await send_once(key):
                pass

    async def send_once(key: str) -> bool:
        turn = await gate.enter(key, 10)
        if provider.refuses(provider, loop.now):
            provider.refused += 1
            await asyncio.sleep(0.005)
            error = ModelError("rate-limited", "429", retryable=True, wait_s=retry_after_s or None)
            gate.record_failure(key, error, turn)
            await asyncio.sleep(choose_wait(error, 1))
            return False
        provider.inside += 1
        await asyncio.sleep(latency_s * provider.random.lognormvariate(0, 0.3))
        provider.inside -= 1
        gate.record_answer(REPLY, 10, turn)
        return True

    async def send_all() -> None:
        await asyncio.gather(*(work() for _ in range(pin.concurrency)))

    try:
        loop.run_until_complete(send_all())
    finally:
        loop.close()
    return Simulated(loop.now - 1000.0, provider.refused)
