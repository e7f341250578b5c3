"""Rows of marts and of the lake's tables as typed records.

A column a record does not name is left aside, and one that an older mart lacks has a default.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar, get_type_hints

Row = Mapping[str, Any]
"""A row as it was read: a column's name and its value."""

Identity = tuple[str, str, str]
"""Dimension, evaluator and evaluator version."""

Record = TypeVar("Record", bound=tuple[Any, ...])


class Rate(NamedTuple):
    """A row of `rpt_rates`: the verdicts of one evaluator on one slice of a night."""

    dimension: str
    evaluator: str
    evaluator_version: str
    kind: str
    slice: str
    n: int
    passed: int
    failed: int
    errored: int
    skipped: int
    date: date | None = None
    """Its night; a row of zeros has none."""
    sessions: int | None = None
    session_ss: float | None = None
    """Sum over sessions of (passed - scored x rate) squared."""
    weighted_rate: float | None = None
    """The rate of all traces, where they came into the sample with different probabilities."""
    weighted_variance: float | None = None
    scored_weight: float | None = None
    scored_weight_squares: float | None = None

    @property
    def identity(self) -> Identity:
        """Whose verdicts these are."""
        return (self.dimension, self.evaluator, self.evaluator_version)

    @property
    def scored(self) -> int:
        """Rows that have a verdict."""
        return self.passed + self.failed

    @property
    def is_weighted(self) -> bool:
        """Whether its traces came into the sample with different probabilities."""
        return self.weighted_rate is not None and self.scored > 0


class Labelled(NamedTuple):
    """A row of `fct_agreement`: an evaluator's verdicts beside those of people."""

    dimension: str
    evaluator: str
    evaluator_version: str
    tp: int
    fn: int
    fp: int
    tn: int


class CauseRate(NamedTuple):
    """A row of `rpt_cause_rates`: the verdicts on traces that share a value of a field."""

    dimension: str
    evaluator: str
    field: str
    value: str | None
    passed: int
    failed: int
    date: date | None = None
    weight: float | None = None
    weight_squares: float | None = None
    weight_passed: float | None = None


class TraceCount(NamedTuple):
    """A row of `rpt_provenance`: how many traces of a night have a value of a field."""

    field: str
    value: str | None
    n: int
    date: date | None = None


class FailureCount(NamedTuple):
    """A row of `rpt_failures`: errors and skips of one code."""

    dimension: str
    evaluator: str
    status: str
    code: str | None
    n: int


class Covered(NamedTuple):
    """A row of the lake's `coverage`."""

    dimension: str
    evaluator: str
    evaluator_version: str
    covered: int
    sampled: int
    pending: int = 0


class Canary(NamedTuple):
    """A row of the lake's `canaries`: a failed answer with and without an attack in it."""

    dimension: str
    evaluator: str
    evaluator_version: str
    family: str
    clean: str | None
    """The verdict without the attack."""
    verdict: str | None
    """The verdict with it."""
    code: str | None = None
    """Why a verdict is missing."""


class Repeats(NamedTuple):
    """A row of the lake's `noise`: a judge's further verdicts beside its first, counted."""

    repeats: int
    contents: int
    pairs: int
    flips: int
    square: float
    """The sum over contents of (flips - rate x pairs) squared."""
    errors: int
    missing: int
    awaited: int = 0
    dimension: str = ""
    evaluator: str = ""
    evaluator_version: str = ""


def read_row(kind: type[Record], row: Row) -> Record:
    """A row as a record; a column it names without a default has to be there."""
    return kind(**{name: of(row[name]) for name, of in readers(kind) if name in row})


def read_rows(kind: type[Record], rows: Iterable[Row]) -> list[Record]:
    """Rows as records, in their order."""
    return [read_row(kind, row) for row in rows]


@functools.cache
def readers(kind: type[tuple[Any, ...]]) -> list[tuple[str, Callable[[Any], Any]]]:
    """A record's columns, each with the function that makes its value plain Python."""
    return [(name, reader(str(hint))) for name, hint in get_type_hints(kind).items()]


def reader(hint: str) -> Callable[[Any], Any]:
    """What makes a column's value plain: whole numbers, floats and dates; null stays null."""
    makes = {"int": int, "float": float, "date": as_date}
    make = next((make for name, make in makes.items() if name in hint), None)
    return (lambda value: value) if make is None else functools.partial(unless_null, make)


def unless_null(make: Callable[[Any], Any], value: Any) -> Any:
    """A value made plain, or null."""
    return None if value is None else make(value)


def as_date(value: Any) -> date:
    """A night, whether it is a date, a moment or ISO text."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
