"""Locks between processes and threads: a file each, there only while it is held or waited for.

What is locked, and under which name, is the lake's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path

POLL_S = 0.02
"""Between two looks at a lock that is held."""


class LockHeldError(RuntimeError):
    """Another process or thread holds a lock that one would not wait for."""


@contextlib.contextmanager
def hold_lock(path: Path, *, wait: bool = True) -> Generator[None]:
    """Holds a lock until the block ends or the process does; then removes its file.

    Args:
        path: the lock's file.
        wait: wait for whoever holds it.

    Raises:
        LockHeldError: somebody holds it, and `wait` is false.
    """
    file = open_locked(path, wait)
    try:
        yield
    finally:
        # Removed while held: whoever waits for this file finds another, or none, under its name.
        path.unlink(missing_ok=True)
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def open_locked(path: Path, wait: bool) -> int:
    """A locked descriptor of the file that has the name now.

    `flock` locks an open file, so it holds between threads as well as between processes. It is
    tried again and again, since a thread that sleeps in the kernel cannot be interrupted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if has_name(file, path):
                return file
        except BlockingIOError as error:
            if not wait:
                os.close(file)
                raise LockHeldError(f"{path.name} is held") from error
        os.close(file)
        time.sleep(POLL_S)


def has_name(file: int, path: Path) -> bool:
    """Whether an open file is still the one under its name: its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def remove_free_locks(folder: Path) -> int:
    """Removes the files of locks whose holders were killed; returns how many."""
    removed = 0
    for path in folder.glob("*.lock"):
        with contextlib.suppress(LockHeldError), hold_lock(path, wait=False):
            removed += 1
    return removed
