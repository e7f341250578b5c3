"""Verdicts that people contradict, to read first: both words, with what was asked and answered.

Which verdicts they are is dbt's; they are read from the newest nights that have some.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.labels.stored_labels import read_stored_labels
from evals.records import Label
from evals.reports.decide.rows import read_row
from evals.storage.lake import Lake
from evals.storage.marts import list_mart_files
from evals.storage.parquet_files import stream_rows
from evals.worklist.sampling import compute_place

SHOWN = 10
"""Disagreements of an evaluator that are shown."""
COLUMNS = ("trace_id", "app", "dimension", "evaluator", "evaluator_version", "explanation")


class Contradicted(NamedTuple):
    """A verdict that people contradict: a row of `fct_disagreements`."""

    date: date
    app: str
    trace_id: str
    dimension: str
    evaluator: str
    evaluator_version: str
    verdict: str
    label: str


class Disagreement(NamedTuple):
    """A verdict that people contradict, with the texts."""

    row: Contradicted
    explanation: str
    """The evaluator's words."""
    labels: Sequence[Label]
    """What people gave on its dimension, or on the trace."""
    asked: str
    answered: str


Found = Mapping[tuple[str, str], Sequence[Disagreement]]
"""By application and evaluator."""


def read_disagreements(lake: Lake, nights: Iterable[date]) -> Found:
    """Reads disagreements of each evaluator, of the newest nights first.

    Those of the test labels stay unread: whoever reads them would fit the judge to them.

    Args:
        lake: has the marts, traces and labels.
        nights: those that are looked at.
    """
    chosen: defaultdict[tuple[str, str], list[Contradicted]] = defaultdict(list)
    for night in sorted(nights, reverse=True):
        rows = [
            read_row(Contradicted, row)
            for file in list_mart_files(lake, "fct_disagreements", [night])
            for batch in stream_rows(file)
            for row in batch
        ]
        locked = find_locked(lake, night)
        rows = [row for row in rows if (row.app, row.trace_id, row.dimension) not in locked]
        rows.sort(key=lambda row: (compute_place(row.trace_id, row.app), row))
        for row in rows:
            own = chosen[row.app, row.evaluator]
            if len(own) < SHOWN:
                own.append(row)
    return add_texts(lake, chosen)


def find_locked(lake: Lake, night: date) -> set[tuple[str, str, str]]:
    """Finds a night's test labels, by application, trace and dimension."""
    return {
        (row.app, row.trace_id, row.dimension)
        for row in lake.read("labels_mapped", [night])
        if row.split == "test"
    }


def add_texts(lake: Lake, chosen: Mapping[tuple[str, str], Sequence[Contradicted]]) -> Found:
    """Adds the texts of some disagreements; leaves out traces that were deleted."""
    if not chosen:
        return {}
    by_night: defaultdict[date, set[str]] = defaultdict(set)
    for rows in chosen.values():
        for row in rows:
            by_night[row.date].add(row.trace_id)
    traces = {
        (trace.app, trace.trace_id): trace
        for night, ids in by_night.items()
        for trace in lake.stream_night("traces", night, ("trace_id", ids))
    }
    words = read_explanations(lake, by_night)
    labels = read_stored_labels(lake).by_trace
    return {
        key: [
            Disagreement(
                row,
                words.get(row[1:6], ""),
                select_labels(labels.get(row.trace_id, ()), row.dimension),
                trace.input,
                trace.output,
            )
            for row in rows
            if (trace := traces.get((row.app, row.trace_id)))
        ]
        for key, rows in chosen.items()
    }


def read_explanations(
    lake: Lake, by_night: Mapping[date, set[str]]
) -> dict[tuple[str, str, str, str, str], str]:
    """Reads the evaluators' words on some traces."""
    return {
        (row["app"], row["trace_id"], row["dimension"], row["evaluator"], row["evaluator_version"]):
        row["explanation"] or ""
        for night, ids in by_night.items()
        for file in list_mart_files(lake, "fct_scores", [night])
        for batch in stream_rows(file, COLUMNS, ("trace_id", ids))
        for row in batch
    }  # fmt: skip


def select_labels(labels: Sequence[Label], dimension: str) -> Sequence[Label]:
    """Selects the labels of a dimension; all where a suite calls it by another name."""
    return [one for one in labels if one.dimension == dimension] or labels
