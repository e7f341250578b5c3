"""Requests and tokens a minute under an account's ceiling, leased a second's worth at a time.

All processes of a home draw from one bucket. `concurrency` bounds how many calls run at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from evals.calls.shared_state import SharedState
from evals.models import Limits
from evals.specs import Ceiling

LEASE_S = 1.0
"""Seconds a lease lasts a process: a smaller one costs more transactions."""
BURST_S = 6.0
"""Seconds of unused allowance that may be made up for."""
COLUMNS = ("requests_per_minute", "tokens_per_minute")


class RateLimiter:
    """What this process may still send of an account's requests and tokens."""

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
        """Requests and tokens a second the evaluation may use; None: nobody said."""
        return [limit and limit * self.ceiling.share / 60 for limit in self.limits]

    async def acquire(self, tokens: float) -> None:
        """Waits until a request of so many tokens is allowed, and takes it."""
        if self.limits == [None, None]:
            return
        async with self.turn:
            while not self.covers(tokens):
                wait = self.draw(tokens)
                if wait > 0:
                    await asyncio.sleep(wait)
            self.left[0] -= 1
            self.left[1] -= tokens

    def covers(self, tokens: float) -> bool:
        """Whether what is leased is enough; what no lease can hold waits for a full one."""
        needs = (1.0, tokens)
        return all(
            rate is None or left >= min(need, max(rate * BURST_S, 1.0))
            for rate, left, need in zip(self.rates, self.left, needs, strict=True)
        )

    def draw(self, tokens: float) -> float:
        """Moves what there is from the shared bucket; the seconds until there is enough."""
        needs, now, wait = (1.0, tokens), self.clock(), 0.0
        with self.shared.transaction() as db:
            row = db.execute(
                "select requests, tokens, filled_at from bucket where bucket = ?", (self.bucket,)
            ).fetchone()
            held = list(row) if row and row[2] is not None else [0.0, 0.0, now]
            for i, rate in enumerate(self.rates):
                if rate is None:
                    continue
                full = max(rate * BURST_S, 1.0)
                level = min(full, (held[i] or 0.0) + rate * max(0.0, now - held[2]))
                due = min(max(rate * LEASE_S, needs[i]), full) - self.left[i]
                taken = max(0.0, min(level, due))
                self.left[i] += taken
                held[i] = level - taken
                short = min(needs[i], full) - self.left[i]
                wait = max(wait, short / rate if short > 0 else 0.0)
            db.execute(
                "insert into bucket (bucket, requests, tokens, filled_at) values (?, ?, ?, ?)"
                " on conflict do update set requests = excluded.requests,"
                " tokens = excluded.tokens, filled_at = excluded.filled_at",
                (self.bucket, held[0], held[1], now),
            )
        return min(wait, 5.0)

    def correct(self, estimated: float, used: float) -> None:
        """A call took other than estimated: the difference is the next calls'."""
        self.left[1] += estimated - used

    def apply_limits(self, limits: Limits) -> None:
        """The account's limits as the provider says them, unless the catalog does; kept for all."""
        said = (limits.requests_limit, limits.tokens_limit)
        new = [
            getattr(self.ceiling, name) or said[i] or self.limits[i]
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
