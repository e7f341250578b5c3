"""Promises of disk errors: one sentence each, whatever library met them."""

from __future__ import annotations

import errno
import sqlite3

import pytest
import sqlalchemy

from orchestration.cli.disk_errors import describe_disk_error


def fill_database(*, through_sqlalchemy: bool) -> None:
    """Writes to a database that may not grow."""
    if through_sqlalchemy:
        engine = sqlalchemy.create_engine("sqlite://")
        with engine.connect() as db:
            db.exec_driver_sql("pragma max_page_count = 1")
            db.exec_driver_sql("create table rows (cell)")
        return
    db = sqlite3.connect(":memory:")
    try:
        db.execute("pragma max_page_count = 1")
        db.execute("create table rows (cell)")
    finally:
        db.close()


@pytest.mark.parametrize("through_sqlalchemy", [False, True])
def test_a_full_database_is_a_full_disk(through_sqlalchemy: bool) -> None:
    """Also where the error is the cause of another one."""
    with pytest.raises(
        sqlalchemy.exc.OperationalError if through_sqlalchemy else sqlite3.Error
    ) as (full):
        fill_database(through_sqlalchemy=through_sqlalchemy)
    outer = RuntimeError("the run failed")
    outer.__cause__ = full.value
    assert describe_disk_error(outer, "/srv/home") == (
        "/srv/home: the disk is full; free some space and run it again: what was finished is not "
        "lost"
    )


def test_errors_of_the_system_name_the_file() -> None:
    """A full disk, a quota and a read-only folder are distinguished from other errors."""
    for code in (errno.ENOSPC, errno.EDQUOT):
        words = describe_disk_error(OSError(code, "no", "/srv/home/a"), "/srv/home")
        assert words
        assert words.startswith("/srv/home: the disk is full (/srv/home/a); free some space")
    words = describe_disk_error(OSError(errno.EROFS, "no", "/srv/home/a"), "/srv/home")
    assert words
    assert "read-only (/srv/home/a)" in words
    for other in (OSError(errno.ENOENT, "no"), ValueError("the disk is full of records")):
        assert describe_disk_error(other, "/srv/home") is None
