"""Runs untrusted SQL on a fixture in a process of its own, within a time limit, and compares rows.

What may be run is decided before: only reads. The process is `sql_worker`.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, cast

from evals.worker_process import WorkerLimit, WorkerProcess


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


WORKER = WorkerProcess("evals.evaluators.sql_worker")


def run_query(setup: str, query: str, timeout_s: float) -> QueryRows:
    """Runs a query on a fresh fixture.

    Raises:
        QueryError: the database refuses it.
        FixtureError: the fixture cannot be made.
        QueryLimit: it takes more time or memory than it may.
    """
    try:
        answer = WORKER.ask({"setup": setup, "query": query}, timeout_s)
    except WorkerLimit as error:
        raise QueryLimit(str(error)) from error
    if "setup_error" in answer:
        raise FixtureError(str(answer["setup_error"]))
    if "limit" in answer:
        raise QueryLimit(str(answer["limit"]))
    if "error" in answer:
        raise QueryError(str(answer["error"]))
    rows = cast("list[list[str | None]]", answer["rows"])
    return QueryRows(tuple(cast("list[str]", answer["columns"])), tuple(map(tuple, rows)))


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
