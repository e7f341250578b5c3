"""Errors of the disk in sentences: full, read-only, or not ours to write.

Damaged files are `evals.storage.damage`'s.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_WORDS = ("disk is full", "No space left on device")
"""How SQLite and DuckDB name a full disk, under classes of several drivers."""
READ_ONLY_WORDS = ("attempt to write a readonly database", "Read-only file system")


def list_causes(error: BaseException) -> Iterator[BaseException]:
    """Lists an error, and those that led to it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def describe_disk_error(error: BaseException, home: str) -> str | None:
    """Describes an error of the disk in a sentence; None for any other error."""
    for cause in list_causes(error):
        code = cause.errno if isinstance(cause, OSError) else None
        if code in FULL or is_named(cause, FULL_WORDS):
            return (
                f"{home}: the disk is full{describe_file(cause)}; free some space and run it "
                "again: what was finished is not lost"
            )
        if code == errno.EROFS or is_named(cause, READ_ONLY_WORDS):
            what = "reports, `gate` and `plan` can be read, but nothing can be written"
            return f"{home}: the data folder is read-only{describe_file(cause)}; {what}"
    return None


def is_named(error: BaseException, words: tuple[str, ...]) -> bool:
    """Whether a database's error has some words."""
    return type(error).__module__.startswith(("sqlite3", "sqlalchemy", "_duckdb", "duckdb")) and (
        any(word in str(error) for word in words)
    )


def describe_file(error: BaseException) -> str:
    """Returns the file that could not be written, in parentheses; empty where none is known."""
    name: object = getattr(error, "filename", None)
    return f" ({name})" if isinstance(name, str) else ""
