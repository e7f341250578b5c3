"""State that the processes of a home share during calls: spending, pace, and what servers take.

One small SQLite file; `day_budget`, `concurrency`, `rate_limiter` and `server_memory` use it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator

from evals.storage.lake import Lake
from evals.storage.sqlite_files import is_intact, set_aside_database

FILE = "asking.sqlite"
TABLES = """
create table if not exists purse (
    day text, app text, run text,
    reserved_usd real default 0, reserved_calls integer default 0,
    spent_usd real default 0, spent_calls integer default 0,
    primary key (day, app, run)
);
create table if not exists account (
    account text primary key,
    window real, learned_at real default 0, down_until real default 0, paused_until real default 0
);
create table if not exists holder (
    account text, holder text, seen_at real, primary key (account, holder)
);
create table if not exists bucket (
    bucket text primary key,
    requests real, tokens real, filled_at real,
    requests_per_minute real, tokens_per_minute real
);
create table if not exists answered_route (route text primary key);
create table if not exists few_logprobs (
    server text, model text, primary key (server, model)
);
"""


class SharedState:
    """The shared SQLite file."""

    def __init__(self, lake: Lake) -> None:
        file = lake.store.path(FILE)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not is_intact(file):
            with lake.lock("shared-state"):
                if not is_intact(file):
                    set_aside_database(file)
        self.db = sqlite3.connect(file, timeout=30, isolation_level=None)
        self.db.execute("pragma journal_mode=wal")
        # A crash of the process loses nothing, one of the machine at most the last second's pace.
        self.db.execute("pragma synchronous=off")
        self.db.executescript(TABLES)

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """Opens a transaction that excludes other writers."""
        self.db.execute("begin immediate")
        try:
            yield self.db
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    def close(self) -> None:
        """Closes the file."""
        self.db.close()
