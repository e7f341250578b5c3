"""Failing answers to read in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.records import AnswerStatus
from evals.reports.decide.rows import Row
from evals.reports.json_form import absent_if, from_json
from evals.reports.section import NightData, Parts, Section, make_empty


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
    """Reads failing answers in the order in which a person should read them."""
    return night.list_failing_answers()


def build(rows: Sequence[Row], parts: Parts) -> tuple[Example, ...]:
    """Returns the answers unchanged."""
    del parts
    return tuple(from_json(Example, row) for row in rows)


SECTION = Section[Sequence[Row], tuple[Example, ...]](
    name="examples",
    about="Up to five failing answers in full, dimensions in turn, redacted.",
    part=tuple[Example, ...],
    collect=collect,
    build=build,
    empty=make_empty,
)
