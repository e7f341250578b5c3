"""One answer of a night with every verdict on it, as `andon report show --answer` opens it.

Which failing answers a report lists is decided in `night_data`.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from evals.records import Trace
from evals.reports.decide.rows import read_row
from evals.storage.lake import Lake
from evals.storage.marts import list_mart_files
from evals.storage.parquet_files import stream_rows


class AnswerVerdict(NamedTuple):
    """What an evaluator, or a person, decided about an answer."""

    dimension: str
    evaluator: str
    status: str
    """`ok`, `error` or `skipped`."""
    verdict: str | None
    explanation: str | None
    code: str | None
    """Why a verdict is missing."""


class Answer(NamedTuple):
    """A trace and the verdicts on its answer."""

    trace: Trace
    verdicts: tuple[AnswerVerdict, ...]


def read_answer(lake: Lake, night: date, app: str, trace_id: str) -> Answer | None:
    """Reads an answer of a night; None where the application has no such trace."""
    traces = lake.stream_night("traces", night, ("trace_id", [trace_id]))
    trace = next((one for one in traces if one.app == app), None)
    if trace is None:
        return None
    verdicts = {
        read_row(AnswerVerdict, row)
        for file in list_mart_files(lake, "fct_scores", [night])
        for rows in stream_rows(file, row_filter=("trace_id", [trace_id]))
        for row in rows
        if row["app"] == app
    }
    return Answer(trace, tuple(sorted(verdicts, key=lambda one: one[:2])))
