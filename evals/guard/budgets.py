"""Runs checks within their latency budgets: those with one in threads, the others meanwhile.

What a check that is too slow means is its guardrail's policy's.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evals.evaluators.protocol import Result
from evals.records import Failure

MOST_RUNNING = 16
"""Runs of one check that may go on past their budget; more requests are not checked by it."""


class Timed(NamedTuple):
    """A check's result, and the milliseconds it took; None where it did not finish."""

    result: Result
    ms: float | None


@dataclass
class BudgetedCheck:
    """A check and its latency budget."""

    evaluate: Callable[[], Result]
    latency_ms: float | None
    """None: no limit."""
    running: threading.Semaphore
    """Shared by the runs of one check."""
    began: float = field(default=0.0, init=False)
    results: queue.SimpleQueue[Timed] = field(
        default_factory=queue.SimpleQueue[Timed], init=False, repr=False
    )

    def run(self) -> Timed:
        """Runs the check in this thread."""
        began = time.perf_counter()
        result = self.evaluate()
        return Timed(result, round((time.perf_counter() - began) * 1000, 3))

    def start(self) -> bool:
        """Starts the check in a thread; False where too many of its runs have not ended."""
        if not self.running.acquire(blocking=False):
            return False

        def put() -> None:
            try:
                self.results.put(self.run())
            finally:
                self.running.release()

        self.began = time.perf_counter()
        threading.Thread(target=put, name="andon-guard", daemon=True).start()
        return True

    def collect(self, limit_ms: float) -> Timed:
        """Waits until the budget is used up; a slower result does not count."""
        left = self.began + limit_ms / 1000 - time.perf_counter()
        try:
            timed = self.results.get(timeout=left) if left > 0 else self.results.get_nowait()
        except queue.Empty:
            timed = Timed(Failure(""), None)
        if timed.ms is None or timed.ms > limit_ms:
            message = f"not done within {limit_ms:g} ms"
            return Timed(Failure("too-slow", message, retryable=True), timed.ms)
        return timed


def run_checks(checks: Sequence[BudgetedCheck]) -> list[Timed]:
    """Runs checks side by side: a request waits for the slowest budget, not for their sum."""
    started = [check.latency_ms is not None and check.start() for check in checks]
    done = [None if check.latency_ms is not None else check.run() for check in checks]
    busy = Timed(Failure("busy", "too many of its runs have not ended", retryable=True), None)
    return [
        timed or (check.collect(check.latency_ms or 0) if is_started else busy)
        for check, timed, is_started in zip(checks, done, started, strict=True)
    ]
