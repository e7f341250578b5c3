"""Lets `forget` die at one operation on files after another, each time in a fork and on a copy.

`python -m tests.system.dying FOLDER USER HOW_MANY`: FOLDER has a `home` and a `catalog`; a line of
JSON for each death. What has to be true after it is in `test_forget_killed`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401  once, before any fork
import pandas as pd  # noqa: F401
import pyarrow.parquet as pq  # noqa: F401

from evals.erasure import forget
from evals.specs import load_catalog
from evals.storage.documents import forget_requests
from evals.storage.lake import Lake

NAMED = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


CONNECT = sqlite3.connect


class Deaths:
    """Counts the operations under a folder, and dies at one of them."""

    def __init__(self, home: Path, at: int, record: Path) -> None:
        self.home, self.at, self.record = str(home), at, record
        self.count = 0

    def heard(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook."""
        if event in NAMED or (event == "open" and (args[2] or 0) & WRITES):
            name = args[0] if isinstance(args[0], str | os.PathLike) else ""
            if str(name).startswith(self.home) or event in ("os.remove", "os.rmdir"):
                self.step(event, str(name), args[2] if event == "open" else 0)

    def connect(self, *args: Any, **more: Any) -> sqlite3.Connection:
        """A SQLite connection each of whose statements is an operation too."""
        made = CONNECT(*args, **more)
        made.set_trace_callback(lambda sql: self.step("sqlite", sql[:40]))
        return made

    def step(self, event: str, name: str = "", flags: int = 0) -> None:
        """One operation; death comes before it, but for an opening, whose file is left empty."""
        self.count += 1
        if self.count != self.at:
            return
        if event == "open":
            with contextlib.suppress(OSError):
                os.close(os.open(name, flags, 0o600))
        self.record.write_text(f"{event} {Path(name).name}")
        os.kill(os.getpid(), signal.SIGKILL)


def forked(work: Callable[[], None]) -> int:
    """Does something in a fork; how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def die(folder: Path, user: str, at: int, record: Path) -> int:
    """Begins to forget a user and dies at one operation; how it ended."""
    catalog = load_catalog(folder / "catalog")
    lake = Lake(folder / "home").open()

    def work() -> None:
        deaths = Deaths(lake.home, at, record)
        sys.addaudithook(deaths.heard)
        sqlite3.connect = deaths.connect
        forget.forget_person(lake, catalog, [user], [], datetime.now(UTC))
        count, deaths.at = deaths.count, 0
        record.write_text(str(count))

    return forked(work)


def main(folder: Path, user: str, most: int) -> None:
    """Dies at each operation, or at so many of them; tells of each."""
    record = folder / "record"

    def copied(name: str) -> Path:
        shutil.copytree(folder / "home", folder / name / "home")
        shutil.copytree(folder / "catalog", folder / name / "catalog")
        (folder / name / "inbox").mkdir()
        return folder / name

    assert die(copied("whole"), user, 0, record) == 0
    total = int(record.read_text())
    chosen = range(1, total + 1)
    if most < total:
        chosen = sorted({1 + n * (total - 1) // max(1, most - 1) for n in range(most)})
    for at in chosen:
        copy = copied(f"at{at}")
        ended = die(copy, user, at, record)
        lake, catalog = Lake(copy / "home"), load_catalog(copy / "catalog")
        begun = len(forget_requests.list_unfinished(lake))
        again = forked(lambda: bool(forget.finish_requests(lake, catalog)) and None)  # noqa: B023  at once
        row = {"at": at, "total": total, "operation": record.read_text(), "ended": ended}
        print(json.dumps({**row, "begun": begun, "again": again, "folder": str(copy)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
