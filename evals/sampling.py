"""Which traces a dimension looks at, and in which order: by hash, so that any prefix is a sample.

Knows neither evaluators' code nor budgets; see `survey` for what is done with the chosen.
"""

from __future__ import annotations

import hashlib


def place(trace_id: str, dimension: str) -> float:
    """Where a trace stands in the sampling order of a dimension, in [0, 1)."""
    taken = hashlib.blake2b(f"{dimension}\0{trace_id}".encode(errors="replace"), digest_size=8)
    return int.from_bytes(taken.digest(), "big") / 2**64
