"""Chooses a night's failing answers to read, with the evaluator's explanation of each.

What they look like is in `sections.examples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from evals.records import Trace
from evals.reports.decide.rows import Row, read_row
from evals.storage.lake import Lake
from evals.storage.marts import list_mart_files
from evals.storage.parquet_files import stream_rows
from evals.worklist.sampling import compute_place

EXAMPLES = 5
"""Failing answers of each dimension; a report shows five of all."""


def list_failing_answers(lake: Lake, night: date, app: str) -> list[Row]:
    """Returns failing answers to read, the first of each dimension in the sampling order.

    The dimension that most answers fail comes first.
    """
    failing = [
        read_row(FailingScore, row)
        for file in list_mart_files(lake, "fct_scores", [night])
        for rows in stream_rows(file, row_filter=("verdict", ["fail"]))
        for row in rows
        if row["app"] == app
    ]
    chosen = select_first(failing, app)
    ids = {row.trace_id for row in chosen}
    traces = {t.trace_id: t for t in lake.stream_night("traces", night, ("trace_id", ids))}
    return [make_example(row, traces[row.trace_id]) for row in chosen if row.trace_id in traces]


class FailingScore(NamedTuple):
    """A row of `fct_scores` whose verdict is fail."""

    trace_id: str
    dimension: str
    evaluator: str
    verdict: str
    explanation: str | None


def select_first(failing: Sequence[FailingScore], app: str) -> list[FailingScore]:
    """Selects the first failing answers of each dimension in the sampling order, each once."""
    by_dimension: dict[str, dict[str, FailingScore]] = {}
    for row in sorted(failing, key=lambda r: (compute_place(r.trace_id, app), r.evaluator)):
        by_dimension.setdefault(row.dimension, {}).setdefault(row.trace_id, row)
    ordered = sorted(by_dimension.items(), key=lambda item: (-len(item[1]), item[0]))
    return [row for _, rows in ordered for row in list(rows.values())[:EXAMPLES]]


def make_example(row: FailingScore, trace: Trace) -> Row:
    """Returns a failing answer in full, with the evaluator's explanation."""
    shown = ("input", "context", "output", "model", "prompt_version", "session_id", "status")
    return {
        **row._asdict(),
        "explanation": row.explanation or "",
        "ts": trace.ts.isoformat(),
        **{key: getattr(trace, key) for key in shown},
        "steps": list(trace.steps),
        "source_file": trace.source_file,
        "source_line": trace.source_line,
    }
