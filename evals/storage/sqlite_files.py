"""SQLite files of a home: whether one is whole, and how a damaged one is set aside."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from evals.storage.damage import set_aside

MAX_CHECKED = 64 * 2**20
"""Bytes up to which every page of a file is checked before it is used; of larger ones the first."""


def is_intact(path: Path, *, every_page: bool = False) -> bool:
    """Whether a file can be used: missing, or a whole database.

    Args:
        path: the file.
        every_page: whether to check every page of a large file, too.
    """
    if not path.exists():
        return True
    check = "quick_check(1)" if every_page or path.stat().st_size < MAX_CHECKED else "user_version"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as db:
            (answer,) = db.execute(f"pragma {check}").fetchone()
            db.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.OperationalError:  # in use, or its folder cannot be written
        return path.stat().st_size > 0
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False
    return check == "user_version" or answer == "ok"


def set_aside_database(path: Path) -> None:
    """Sets a database aside with its log, which belongs to no other."""
    set_aside(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
