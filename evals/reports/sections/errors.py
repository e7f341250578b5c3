"""Rows without a verdict, counted by code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from evals.reports.decide.rows import FailureCount, read_rows
from evals.reports.json_form import Count
from evals.reports.section import NightData, Parts, Section, make_empty

Unscored = Literal["error", "skipped"]


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """Errors or skips of one code."""

    dimension: str
    evaluator: str
    code: str
    status: Unscored
    count: Count


def collect(night: NightData) -> Sequence[FailureCount]:
    """Reads the night's errors and skips."""
    return read_rows(FailureCount, night.read_rows_tonight("rpt_failures"))


def build(rows: Sequence[FailureCount], parts: Parts) -> tuple[ErrorCount, ...]:
    """Counts errors and skips by code."""
    del parts
    counts: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        key = (row.dimension, row.evaluator, row.status, row.code or "unknown")
        counts[key] = counts.get(key, 0) + row.n
    return tuple(
        ErrorCount(dimension, evaluator, code, cast("Unscored", status), count)
        for (dimension, evaluator, status, code), count in sorted(counts.items())
    )


SECTION = Section[Sequence[FailureCount], tuple[ErrorCount, ...]](
    name="errors",
    about="Rows without a verdict by code: `error` or `skipped`.",
    part=tuple[ErrorCount, ...],
    collect=collect,
    build=build,
    empty=make_empty,
)
