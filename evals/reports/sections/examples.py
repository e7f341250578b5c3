"""Failing answers to read in full."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from evals.records import AnswerStatus
from evals.reports.decide.rows import Row
from evals.reports.json_form import absent_if, from_json
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.reports.sections import incidents, results

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A failing answer."""

    trace_id: str
    dimension: str
    evaluator: str
    verdict: str
    explanation: str
    """The evaluator's."""
    ts: str | None
    """When the request began."""
    input: str | None
    context: str | None
    output: str | None
    steps: tuple[object, ...]
    """Tool calls and retrievals."""
    model: str | None
    prompt_version: str | None
    session_id: str | None
    source_file: str | None
    """The inbox file it came from."""
    source_line: int | None
    status: AnswerStatus = absent_if("ok")
    """How the request ended; only where it was not answered."""


def collect(night: NightData) -> Sequence[Row]:
    """Reads failing answers, the first of each dimension in the sampling order."""
    return night.list_failing_answers()


def build(rows: Sequence[Row], parts: Parts) -> tuple[Example, ...]:
    """Chooses the answers to read: those of what fell first, its dimensions in turn."""
    fallen = find_fallen(parts)
    groups = [
        [row for row in rows if (row["dimension"] in fallen) is is_fallen]
        for is_fallen in (True, False)
    ]
    chosen: dict[object, Row] = {}
    for row in (row for group in groups for row in take_turns(group)):
        if len(chosen) < SHOWN:
            chosen.setdefault(row["trace_id"], row)
    return tuple(from_json(Example, row) for row in chosen.values())


def find_fallen(parts: Parts) -> Collection[str]:
    """Finds the dimensions that decide and slipped, or are in an open incident."""
    found = parts[incidents.SECTION]
    return {
        row.dimension
        for row in parts[results.SECTION]
        if row.decides and (row.verdict == "slipped" or found.find_start(row.series) is not None)
    }


def take_turns(rows: Sequence[Row]) -> Iterator[Row]:
    """Yields one row of each dimension in turn, in the order in which the dimensions come."""
    queues: dict[object, list[Row]] = {}
    for row in rows:
        queues.setdefault(row["dimension"], []).append(row)
    for turn in range(max(map(len, queues.values()), default=0)):
        yield from (queue[turn] for queue in queues.values() if turn < len(queue))


SECTION = Section[Sequence[Row], tuple[Example, ...]](
    name="examples",
    about="Up to five failing answers in full, redacted: of what fell first, dimensions in turn.",
    part=tuple[Example, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    needs=(results.SECTION, incidents.SECTION),
)
