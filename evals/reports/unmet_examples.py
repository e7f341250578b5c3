"""Requests that were not met, to read: of each topic a few, redacted and shortened.

How many there are is dbt's.
"""

from __future__ import annotations

import heapq
from datetime import date

from evals.reports.decide.rows import Row
from evals.reports.sections.unmet import KINDS
from evals.storage.lake import Lake
from evals.worklist.sampling import compute_place

UNMET_EXAMPLES = 3
UNMET_CHARACTERS = 600
"""The most that is shown of an unmet request and of its answer."""


def list_unmet_requests(lake: Lake, night: date, app: str) -> list[Row]:
    """Returns unmet requests to read: of each topic the first three in the sampling order."""
    by_topic: dict[str, list[tuple[float, str, tuple[str, ...]]]] = {}
    for rows in lake.stream_batches("requests", night, ("trace_id", "topic", *KINDS), app):
        for row in rows:
            kinds = tuple(kind for kind in KINDS if row[kind])
            if kinds:
                place = compute_place(row["trace_id"], app)
                by_topic.setdefault(row["topic"] or "", []).append((place, row["trace_id"], kinds))
    chosen = {
        trace_id: (topic, kinds)
        for topic, found in sorted(by_topic.items())
        for _, trace_id, kinds in heapq.nsmallest(UNMET_EXAMPLES, found)
    }
    traces = {t.trace_id: t for t in lake.stream_night("traces", night, ("trace_id", chosen))}
    return [
        {
            "topic": topic,
            "trace_id": trace_id,
            "kinds": kinds,
            "input": shorten(traces[trace_id].input),
            "output": shorten(traces[trace_id].output),
        }
        for trace_id, (topic, kinds) in chosen.items()
        if trace_id in traces
    ]


def shorten(text: str) -> str:
    """Returns the beginning of a text, with an ellipsis where it goes on."""
    return text if len(text) <= UNMET_CHARACTERS else text[: UNMET_CHARACTERS - 1] + "…"
