"""Limits requests and tokens per minute with a token bucket that all processes of a home share.

Each process leases about a second's worth at a time. `concurrency` bounds how many calls run at
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from evals.calls.shared_state import SharedState
from evals.models import Limits
from evals.specs import Ceiling

LEASE_S = 1.0
"""Seconds a lease lasts a process; shorter leases cost more transactions."""
BURST_S = 6.0
"""Seconds of unused allowance that may accumulate."""
COLUMNS = ("requests_per_minute", "tokens_per_minute")


class RateLimiter:
    """The requests and tokens of an account that this process may still send."""

    def __init__(
        self, shared: SharedState, bucket: str, ceiling: Ceiling, clock: Callable[[], float]
    ) -> None:
        self.shared, self.bucket, self.ceiling, self.clock = shared, bucket, ceiling, clock
        row = shared.db.execute(
            "select requests_per_minute, tokens_per_minute from bucket where bucket = ?", (bucket,)
        ).fetchone()
        self.limits = [
            getattr(ceiling, name) or (row and row[i]) or None for i, name in enumerate(COLUMNS)
        ]
        self.left = [0.0, 0.0]
        self.turn = asyncio.Lock()

    @property
    def rates(self) -> list[float | None]:
        """Requests and tokens per second the evaluation may use; None: unknown."""
        return [limit and limit * self.ceiling.share / 60 for limit in self.limits]

    async def acquire(self, tokens: float) -> None:
        """Waits until a request of so many tokens is allowed, and deducts it."""
        if self.limits == [None, None]:
            return
        async with self.turn:
            while not self.is_covered(tokens):
                wait = self.draw_lease(tokens)
                if wait > 0:
                    await asyncio.sleep(wait)
            self.left[0] -= 1
            self.left[1] -= tokens

    def is_covered(self, tokens: float) -> bool:
        """Whether the lease covers a request; one larger than any lease needs a full lease."""
        needs = (1.0, tokens)
        return all(
            rate is None or left >= min(need, max(rate * BURST_S, 1.0))
            for rate, left, need in zip(self.rates, self.left, needs, strict=True)
        )

    def draw_lease(self, tokens: float) -> float:
        """Leases what the shared bucket has; returns the seconds until there is enough."""
        needs, now, wait = (1.0, tokens), self.clock(), 0.0
        with self.shared.transaction() as db:
            row = db.execute(
                "select requests, tokens, filled_at from bucket where bucket = ?", (self.bucket,)
            ).fetchone()
            levels = list(row) if row and row[2] is not None else [0.0, 0.0, now]
            for i, rate in enumerate(self.rates):
                if rate is None:
                    continue
                full = max(rate * BURST_S, 1.0)
                level = min(full, (levels[i] or 0.0) + rate * max(0.0, now - levels[2]))
                due = min(max(rate * LEASE_S, needs[i]), full) - self.left[i]
                taken = max(0.0, min(level, due))
                self.left[i] += taken
                levels[i] = level - taken
                shortfall = min(needs[i], full) - self.left[i]
                wait = max(wait, shortfall / rate if shortfall > 0 else 0.0)
            db.execute(
                "insert into bucket (bucket, requests, tokens, filled_at) values (?, ?, ?, ?)"
                " on conflict do update set requests = excluded.requests,"
                " tokens = excluded.tokens, filled_at = excluded.filled_at",
                (self.bucket, levels[0], levels[1], now),
            )
        return min(wait, 5.0)

    def correct_usage(self, estimated: float, used: float) -> None:
        """Corrects the lease by the difference between estimated and used tokens."""
        self.left[1] += estimated - used

    def apply_limits(self, limits: Limits) -> None:
        """Adopts and shares the limits the provider reports, except those the catalog sets."""
        reported = (limits.requests_limit, limits.tokens_limit)
        new = [
            getattr(self.ceiling, name) or reported[i] or self.limits[i]
            for i, name in enumerate(COLUMNS)
        ]
        if new == self.limits:
            return
        self.limits = new
        with self.shared.transaction() as db:
            db.execute(
                "insert into bucket (bucket, requests_per_minute, tokens_per_minute)"
                " values (?, ?, ?) on conflict do update set"
                " requests_per_minute = excluded.requests_per_minute,"
                " tokens_per_minute = excluded.tokens_per_minute",
                (self.bucket, *new),
            )
