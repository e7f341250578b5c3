"""Promises of locks: one holder at a time, free when it dies, and no file once free."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from evals.storage.lake import Lake
from evals.storage.locks import LockHeldError, hold_lock, remove_free_locks
from evals.storage.scratch import delete_leftovers

HOLDER = """
import sys, time
from pathlib import Path
from evals.storage.locks import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
COUNTER = """
import sys
from pathlib import Path
from evals.storage.locks import hold_lock
lock, count = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(150):
    with hold_lock(lock):
        count.write_text(str(int(count.read_text()) + 1))
"""


def start_process(code: str, *words: Path) -> subprocess.Popen[str]:
    """Starts a program in another process."""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_holder_frees_its_lock(tmp_path: Path) -> None:
    """A waiting thread takes the lock when the holder dies, and not before."""
    path = tmp_path / "a.lock"
    with start_process(HOLDER, path) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError), hold_lock(path, wait=False):
            pass
        taken: list[float] = []

        def wait() -> None:
            with hold_lock(path):
                taken.append(time.monotonic())

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.2)
        assert taken == []
        holder.kill()
        waiting.join(5)
        assert len(taken) == 1
    assert not path.exists()


def test_competing_holders_exclude_each_other(tmp_path: Path) -> None:
    """Three processes and two threads lose no increment, and leave no lock file."""
    path, count = tmp_path / "a.lock", tmp_path / "count"
    count.write_text("0")
    processes = [start_process(COUNTER, path, count) for _ in range(3)]

    def add() -> None:
        for _ in range(150):
            with hold_lock(path):
                count.write_text(str(int(count.read_text()) + 1))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert count.read_text() == "750"
    assert not path.exists()


def test_the_lock_files_of_killed_holders_are_deleted(tmp_path: Path) -> None:
    """The file of a lock in use stays."""
    lake = Lake(tmp_path).open()
    (tmp_path / "locks").mkdir()
    dead = tmp_path / "locks" / "dead.lock"
    dead.touch()
    with lake.lock("alive"):
        delete_leftovers(lake, time.time())
        assert [path.name for path in (tmp_path / "locks").glob("*.lock")] == ["alive.lock"]
        assert remove_free_locks(tmp_path / "locks") == 0
    assert list((tmp_path / "locks").glob("*.lock")) == []
