"""Requests of each topic of a night, to read: a few of each, with their answers.

Their texts are on the night's page of topics alone; how many there are is dbt's.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from datetime import date
from typing import NamedTuple

from evals.storage.lake import Lake
from evals.worklist.sampling import compute_place

SHOWN = 3


class TopicRequest(NamedTuple):
    """A request of a topic."""

    trace_id: str
    asked: str
    answered: str


def read_topic_requests(lake: Lake, night: date, app: str) -> dict[str, list[TopicRequest]]:
    """Reads requests of each topic: the first in the sampling order."""
    by_topic: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for rows in lake.stream_batches("requests", night, ("trace_id", "topic"), app):
        for row in rows:
            if row["topic"]:
                place = compute_place(row["trace_id"], app)
                by_topic[row["topic"]].append((place, row["trace_id"]))
    chosen = {
        topic: [trace for _, trace in heapq.nsmallest(SHOWN, rows)]
        for topic, rows in by_topic.items()
    }
    ids = {trace for rows in chosen.values() for trace in rows}
    traces = {
        one.trace_id: TopicRequest(one.trace_id, one.input, one.output)
        for one in (lake.stream_night("traces", night, ("trace_id", ids)) if ids else ())
        if one.app == app
    }
    return {
        topic: [traces[trace] for trace in rows if trace in traces]
        for topic, rows in chosen.items()
    }
