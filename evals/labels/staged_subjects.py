"""The traces and sessions that labels are about, as they are staged: application, night, answer.

Labels are imported in `label_files` and recorded one at a time in `verdicts`.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from evals.records import Label, digest
from evals.storage.id_index import build_id_table, find_nights
from evals.storage.lake import Lake
from evals.storage.night_state import DAY
from evals.storage.queries import create_table_view, open_duckdb

STAGED_TRACES = """
    select distinct trace_id, app, ts::date as night, input, context, output from staged
    where trace_id in (select trace_id from wanted) order by night, app
"""
STAGED_SESSIONS = """
    select distinct session_id, app, ts::date as night from staged
    where session_id in (select trace_id from wanted) order by night, app
"""
STAGED_APPS = """
    select trace_id, arg_max(app, ts) from staged
    where trace_id in (select trace_id from wanted) group by trace_id
"""


class StagedSubject(NamedTuple):
    """A trace or a session as one night has it staged."""

    app: str
    night: date
    """The day of its request in UTC."""
    answer: str
    """The digest of the answer; empty for a session, whose labels are bound to no answer."""


def read_subjects(
    lake: Lake, ids: Collection[str], sessions: Collection[str]
) -> defaultdict[str, list[StagedSubject]]:
    """Reads what is staged of some traces and sessions, by the id of either.

    Args:
        lake: has the staged rows; nights without any of the traces are not read.
        ids: ids of traces, as the home stores them.
        sessions: ids of sessions.
    """
    found: defaultdict[str, list[StagedSubject]] = defaultdict(list)
    traces = query_staged(lake, STAGED_TRACES, ids, find_nights(lake, ids))
    for trace_id, app, night, *shown in traces:
        found[trace_id].append(StagedSubject(app, night, digest(shown)))
    for session_id, app, night in query_sessions(lake, sessions):
        found[session_id].append(StagedSubject(app, night, ""))
    return found


def query_staged(
    lake: Lake, sql: str, ids: Collection[str], nights: Sequence[date]
) -> list[tuple[Any, ...]]:
    """Returns the rows of a query over `staged` and the ids in `wanted`."""
    if not ids or not nights:
        return []
    with open_duckdb() as db:
        db.register("wanted", build_id_table(ids))
        create_table_view(db, lake, "staged", nights)
        return db.sql(sql).fetchall()


def query_sessions(lake: Lake, ids: Collection[str]) -> list[tuple[str, str, date]]:
    """Returns the id, the application and each night of some sessions, oldest first."""
    nights = lake.list_nights("staged") if ids else ()
    return query_staged(lake, STAGED_SESSIONS, ids, nights)


def read_apps(lake: Lake, labels: Iterable[Label]) -> dict[str, str]:
    """Reads the application of each labelled trace or session that has arrived, by its id."""
    by_kind: dict[bool, set[str]] = {True: set(), False: set()}
    for label in labels:
        by_kind[label.subject == "session"].add(label.subject_id)
    traces, sessions = by_kind[False], by_kind[True]
    apps = dict(query_staged(lake, STAGED_APPS, traces, find_nights(lake, traces)))
    return {one: app for one, app, _ in query_sessions(lake, sessions)} | apps


def list_near_nights(lake: Lake, subjects: Iterable[StagedSubject]) -> set[date]:
    """Returns the nights that labels of some subjects change: their own and the one before."""
    nights = {near for one in subjects for near in (one.night, one.night - DAY)}
    return nights.intersection(lake.list_nights("staged"))


def find_touched_nights(lake: Lake, ids: Collection[str]) -> set[date]:
    """Returns the nights that labels of some traces or sessions change, by their stored ids."""
    staged = read_subjects(lake, ids, ids)
    return list_near_nights(lake, (one for own in staged.values() for one in own))


def bind_to_answer(label: Label, subjects: Iterable[StagedSubject]) -> Label:
    """Returns the label bound to its trace's answer, where only one is stored."""
    answers = {one.answer for one in subjects}
    if label.answer or len(answers) != 1:
        return label
    return dataclasses.replace(label, answer=answers.pop())
