"""Lock files stayed for ever; now a lock's file goes when it is free."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from evals.storage.locks import remove_free_locks
from evals.storage.migrations.step import Change, Step


def find(home: Path) -> Iterator[Change]:
    """Lock files that nobody holds."""
    folder = home / "locks"
    left = len(list(folder.glob("*.lock")))
    if left:
        yield Change(
            f"locks: removes {left} free ones", functools.partial(remove_free_locks, folder)
        )


STEP = Step(2, "lock-files", find)
