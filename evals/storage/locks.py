"""Locks between processes and threads: one file each, deleted when the lock is free.

The lake gives each lock its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Generator
from pathlib import Path

POLL_S = 0.02
"""Seconds between two attempts to take a lock."""


class LockHeldError(RuntimeError):
    """Another process or thread holds a lock, and the caller does not wait for it."""


@contextlib.contextmanager
def hold_lock(path: Path, *, wait: bool | float = True) -> Generator[None]:
    """Holds a lock until the block or the process ends, then deletes its file.

    Args:
        path: the lock's file.
        wait: whether to wait while another holds it, or for how many seconds.

    Raises:
        LockHeldError: another holds it, and `wait` is false or the seconds have passed.
    """
    file = open_locked(path, wait)
    try:
        yield
    finally:
        # Deleted before it is unlocked: a waiter then sees that its file has no name, and retries.
        path.unlink(missing_ok=True)
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def open_locked(path: Path, wait: bool | float) -> int:
    """Opens and locks the file that has the name now; returns its descriptor.

    `flock` locks an open file, so it works between threads as well as between processes. It is
    polled, since a thread that sleeps in the kernel cannot be interrupted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = math.inf if wait is True else time.monotonic() + wait
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if has_name(file, path):
                return file
        except BlockingIOError as error:
            if time.monotonic() >= until:
                os.close(file)
                raise LockHeldError(f"{path.name} is held") from error
        os.close(file)
        time.sleep(POLL_S)


def has_name(file: int, path: Path) -> bool:
    """Whether an open file still has its name: its last holder may have deleted it."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def remove_free_locks(folder: Path) -> int:
    """Deletes the files of locks whose holders were killed; returns how many."""
    removed = 0
    for path in folder.glob("*.lock"):
        with contextlib.suppress(LockHeldError), hold_lock(path, wait=False):
            removed += 1
    return removed
