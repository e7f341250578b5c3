"""Runs untrusted SQL on a fixture in a process of its own, within a time limit, and compares rows.

What may be run is decided before: only reads. The process is `sql_worker`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, cast

START_S = 60.0
"""The longest that the process may take to start, on a busy machine."""


class QueryRows(NamedTuple):
    """What a query returned."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


class QueryError(Exception):
    """The database refused a query; the message explains why."""


class FixtureError(Exception):
    """The fixture cannot be made."""


class QueryLimit(Exception):
    """A query took too long, too much memory, or returned too much."""


@dataclass
class SqlProcess:
    """A worker process, started when it is first needed; queries take turns."""

    process: subprocess.Popen[str] | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)

    def run(self, setup: str, query: str, timeout_s: float) -> QueryRows:
        """Runs a query on a fresh fixture.

        Raises:
            QueryError: the database refuses it.
            FixtureError: the fixture cannot be made.
            QueryLimit: it takes more time or memory than it may.
        """
        with self.turn:
            answer = self.ask(setup, query, timeout_s)
        if "setup_error" in answer:
            raise FixtureError(str(answer["setup_error"]))
        if "limit" in answer:
            raise QueryLimit(str(answer["limit"]))
        if "error" in answer:
            raise QueryError(str(answer["error"]))
        rows = cast("list[list[str | None]]", answer["rows"])
        return QueryRows(tuple(cast("list[str]", answer["columns"])), tuple(map(tuple, rows)))

    def ask(self, setup: str, query: str, timeout_s: float) -> dict[str, object]:
        """Sends a request; the process is ended where it does not answer in time."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        line = self.exchange({"setup": setup, "query": query}, timeout_s)
        if not line:
            self.stop()
            raise QueryLimit(f"not done within {timeout_s:g} s, or out of memory")
        return cast("dict[str, object]", json.loads(line))

    def exchange(self, request: dict[str, str], timeout_s: float) -> str:
        """Writes a request and reads the answer; empty where none comes in time."""
        process = self.process
        assert process is not None  # noqa: S101  it was started
        assert process.stdin is not None  # noqa: S101  it has pipes
        assert process.stdout is not None  # noqa: S101  it has pipes
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except OSError:
            return ""
        finally:
            timer.cancel()

    def start(self) -> None:
        """Starts the process, which sees none of the environment, and waits until it is ready."""
        kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "evals.evaluators.sql_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={name: os.environ[name] for name in kept if name in os.environ},
        )
        if not self.exchange({"setup": "", "query": "select 1"}, START_S):
            self.stop()
            raise QueryLimit("the process that runs SQL did not start; is `duckdb` installed?")

    def stop(self) -> None:
        """Ends the process, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            process.wait()


WORKER = SqlProcess()
atexit.register(WORKER.stop)


def is_same_result(one: QueryRows, other: QueryRows, *, ordered: bool, names: bool) -> bool:
    """Whether two queries returned the same rows, as often; names of columns count if wanted.

    Args:
        one: the rows of a query.
        other: those of another.
        ordered: whether the rows have to be in one order.
        names: whether the columns have to have the same names, whatever their case.
    """
    if names and [n.lower() for n in one.columns] != [n.lower() for n in other.columns]:
        return False
    if len(one.columns) != len(other.columns):
        return False
    return one.rows == other.rows if ordered else Counter(one.rows) == Counter(other.rows)
