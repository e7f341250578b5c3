"""What judges wrote about an answer in the score of another trace: of a pair, or of a session.

What a trace of its own has is `forget`'s, what no score refers to `unreferenced_answers`'.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from evals.records import Trace
from evals.specs.suites import PREVIOUS
from evals.storage.damage import READING_ERRORS
from evals.storage.documents.evaluator_specs import read_evaluator
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.queries import create_table_view, open_duckdb, query_tables, quote_text
from evals.worklist.previous_answers import SPAN


class ComparedScore(NamedTuple):
    """A score of another trace that may quote one of some traces."""

    trace_id: str
    """The trace that it is of."""
    content_key: str | None
    explanation: str | None


def find_compared(lake: Lake, own: Collection[Trace]) -> list[ComparedScore]:
    """Finds the scores of pairs and of sessions that may quote some traces."""
    return [*find_pairs(lake, own), *find_sessions(lake, own)]


def find_pairs(lake: Lake, own: Collection[Trace]) -> Iterator[ComparedScore]:
    """Yields the scores of pairs whose other answer is, or was, one of some traces'.

    Which answer a trace is paired with changes as others arrive, and the scores of a night that was
    not evaluated anew are of the earlier pair: every later answer to the same input counts.
    """
    comparisons = list_comparisons(lake)
    asked = [trace for trace in own if trace.app in comparisons and trace.input]
    for app, later in find_later(lake, asked).items():
        listed = ", ".join(map(quote_text, sorted(later)))
        names = ", ".join(map(quote_text, sorted(comparisons[app])))
        where = f"app = {quote_text(app)} and evaluator in ({names}) and trace_id in ({listed})"
        yield from read_scores(lake, where)


def find_sessions(lake: Lake, own: Collection[Trace]) -> Iterator[ComparedScore]:
    """Yields the scores of sessions that have one of some traces as a turn."""
    gone = {trace.trace_id for trace in own}
    for app in {trace.app for trace in own}:
        names = {one.session_id or one.trace_id for one in own if one.app == app}
        listed = ", ".join(map(quote_text, sorted(names)))
        where = f"app = {quote_text(app)} and subject = 'session' and subject_id in ({listed})"
        yield from (one for one in read_scores(lake, where) if one.trace_id not in gone)


def read_scores(lake: Lake, where: str) -> Iterator[ComparedScore]:
    """Yields the scores that a condition finds."""
    sql = f"select trace_id, content_key, explanation from scores where {where}"  # noqa: S608  quoted
    for row in query_tables(lake, sql, {"scores": None}):
        yield ComparedScore(**row)


def find_later(lake: Lake, own: Collection[Trace]) -> Mapping[str, set[str]]:
    """Finds the traces that later had the input of one of some traces, by application."""
    import pyarrow as pa

    later: defaultdict[str, set[str]] = defaultdict(set)
    if not own:
        return later
    rows = [{"app": one.app, "input": one.input, "ts": one.ts} for one in own]
    gone = {trace.trace_id for trace in own}
    with open_duckdb() as db:
        db.register("own", pa.Table.from_pylist(rows))
        for table in ("staged", "traces"):
            create_table_view(db, lake, table, None)
            found = db.execute(
                f"select distinct other.app, other.trace_id from {table} as other"  # noqa: S608  our own names
                " join own on other.app = own.app and other.input = own.input"
                " where other.ts >= own.ts and other.ts < own.ts + to_days(?)",
                [SPAN.days + 1],
            ).fetchall()
            for app, trace_id in found:
                later[app] |= {trace_id} - gone
    return {app: ids for app, ids in later.items() if ids}


def list_comparisons(lake: Lake) -> Mapping[str, set[str]]:
    """Lists the judges whose other answer is the previous prompt's, by application."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    sql = "select distinct app, evaluator, evaluator_version from scores where kind = 'judge'"
    for row in query_tables(lake, sql, {"scores": None}):
        with contextlib.suppress(DamagedFileError, *READING_ERRORS):
            spec = read_evaluator(lake, row["evaluator"], row["app"], row["evaluator_version"])
            if spec.gold == PREVIOUS:
                found[row["app"]].add(row["evaluator"])
    return found
