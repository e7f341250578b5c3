"""Reads the answers of a night that failed, with every verdict, slice and label of each.

Which pages show them, and how, is in `pages`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from evals.labels.stored_labels import read_stored_labels
from evals.records import Label, Status, Trace
from evals.reports.decide.rows import read_row
from evals.storage.lake import Lake
from evals.storage.marts import list_mart_files
from evals.storage.parquet_files import RowFilter, stream_rows
from evals.worklist.sampling import compute_place

ALL = "all"
"""The slice that every trace is in."""


class Given(NamedTuple):
    """What an evaluator gave for a trace: a row of `fct_scores`."""

    trace_id: str
    dimension: str
    evaluator: str
    kind: str
    status: Status
    verdict: str | None
    value: float | None
    explanation: str | None
    code: str | None


@dataclass(frozen=True)
class FailingNight:
    """The failing answers of an application's night."""

    date: date
    app: str
    traces: Sequence[str]
    """In the sampling order, so that the first ones are a sample of all."""
    given: Mapping[str, Sequence[Given]]
    """What evaluators gave for each of these traces, and for those that people labelled."""
    slices: Mapping[str, Sequence[str]]
    labels: Mapping[str, Sequence[Label]]

    def count_failing(self) -> Mapping[str, int]:
        """Returns how many traces fail each dimension."""
        failed = (list_failed(self.given[trace]) for trace in self.traces)
        return Counter(name for names in failed for name in names)


def list_failed(given: Sequence[Given]) -> list[str]:
    """Returns the dimensions that a trace fails."""
    return list(dict.fromkeys(row.dimension for row in given if row.verdict == "fail"))


def read_failing_night(
    lake: Lake, night: date, app: str, shown: Collection[str] = ()
) -> FailingNight:
    """Reads a night's failing answers, without the traces themselves.

    Args:
        lake: has the marts and labels.
        night: the night.
        app: the application.
        shown: other traces that get a page.
    """
    failing = {row["trace_id"] for row in stream_mart(lake, night, app, ("verdict", ["fail"]))}
    labels = read_stored_labels(lake).by_trace
    given: dict[str, list[Given]] = defaultdict(list)
    for row in stream_mart(lake, night, app):
        trace = row["trace_id"]
        if trace in failing or trace in labels or trace in shown:
            given[row["trace_id"]].append(read_row(Given, row))
    return FailingNight(
        date=night,
        app=app,
        traces=sorted(failing, key=lambda trace: (compute_place(trace, app), trace)),
        given={trace: sorted(rows, key=lambda row: row[:3]) for trace, rows in given.items()},
        slices=read_slices(lake, night, app, given),
        labels={trace: labels[trace] for trace in given if trace in labels},
    )


def stream_mart(
    lake: Lake, night: date, app: str, row_filter: RowFilter | None = None, name: str = "fct_scores"
) -> Iterator[Mapping[str, Any]]:
    """Yields an application's rows of a night of a mart."""
    for file in list_mart_files(lake, name, [night]):
        for rows in stream_rows(file, row_filter=row_filter):
            yield from (row for row in rows if row["app"] == app)


def read_slices(
    lake: Lake, night: date, app: str, traces: Mapping[str, object]
) -> dict[str, list[str]]:
    """Reads the slices of some traces, without the one that every trace is in."""
    slices: dict[str, list[str]] = defaultdict(list)
    for row in stream_mart(lake, night, app, name="fct_slice_members"):
        if row["trace_id"] in traces and row["slice"] != ALL:
            slices[row["trace_id"]].append(row["slice"])
    return {trace: sorted(names) for trace, names in slices.items()}


def stream_traces(lake: Lake, failing: FailingNight) -> Iterator[Trace]:
    """Yields the traces that have a page, in file order."""
    if failing.given:
        yield from lake.stream_night("traces", failing.date, ("trace_id", failing.given))
