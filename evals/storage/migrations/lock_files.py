"""Deletes the files of free locks, which earlier versions left behind."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from evals.storage.locks import remove_free_locks
from evals.storage.migrations.step import Change, Step


def find_changes(home: Path) -> Iterator[Change]:
    """Yields a change if there are lock files."""
    folder = home / "locks"
    count = len(list(folder.glob("*.lock")))
    if count:
        yield Change(
            f"locks: removes {count} free ones", functools.partial(remove_free_locks, folder)
        )


STEP = Step(2, "lock-files", find_changes)
