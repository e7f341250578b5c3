"""How many threads the libraries of linear algebra may use: one, where sums have to repeat."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any


def run_alone() -> contextlib.AbstractContextManager[object]:
    """Makes sums run on one thread, and so in one order, until the block ends."""
    pools: Any = importlib.import_module("threadpoolctl")  # it has no types
    return pools.threadpool_limits(1)
