"""Rows of marts and of the lake's tables as typed records.

Columns that a record does not name are ignored; those that older marts lack have defaults.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple, TypeVar, get_type_hints

Row = Mapping[str, object]
"""A row by its columns; `read_row` makes a typed record of it."""

Identity = tuple[str, str, str]
"""Dimension, evaluator and evaluator version."""

Record = TypeVar("Record")


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
    """The night; None in a row of zeros for an evaluator without traces."""
    sessions: int | None = None
    session_ss: float | None = None
    """Sum over sessions of (passed - scored x rate) squared."""
    session_squares: float | None = None
    """Sum over sessions of their scored rows squared."""
    weighted_rate: float | None = None
    """The rate over all traces, where traces were sampled with different probabilities."""
    weighted_variance: float | None = None
    scored_weight: float | None = None
    scored_weight_squares: float | None = None
    unasked: int = 0
    """Of the skipped, rows whose question was not asked, such as beyond the budget."""
    unreached: int = 0
    """Of the unasked, rows that had no chance to be asked: the others are no sample of them."""

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)

    @property
    def series(self) -> tuple[str, str, str]:
        """Dimension, evaluator and slice: what a series of nights is of."""
        return (self.dimension, self.evaluator, self.slice)

    @property
    def scored(self) -> int:
        """Rows that have a verdict."""
        return self.passed + self.failed

    @property
    def is_weighted(self) -> bool:
        """Whether its traces were sampled with different probabilities."""
        return self.weighted_rate is not None and self.scored > 0


class Labelled(NamedTuple):
    """A row of `fct_agreement`: an evaluator's verdicts against those of people."""

    dimension: str
    evaluator: str
    evaluator_version: str
    tp: int
    fn: int
    fp: int
    tn: int
    date: date | None = None
    test_tp: int | None = None
    """The same of the test split; None in a row of an older Andon, of which every label counts."""
    test_fn: int | None = None
    test_fp: int | None = None
    test_tn: int | None = None
    sampled_tp: float = 0.0
    """Labels that were sampled, outside the few-shot pool, each counted 1 / its chance times."""
    sampled_fn: float = 0.0
    sampled_fp: float = 0.0
    sampled_tn: float = 0.0
    sampled_pass_squares: float = 0.0
    """The squared weights of those that the evaluator passed."""
    sampled_fail_squares: float = 0.0
    sampled_fp_squares: float = 0.0
    """Of these squares, those of answers that people failed; 0 in a row of an older Andon."""
    sampled_tn_squares: float = 0.0
    sampled_pass_labels: int = 0
    """How many labels they are; 0 in a row of an older Andon."""
    sampled_fail_labels: int = 0
    locked_tp: float = 0.0
    """Of the sampled labels, those of the test split."""
    locked_fn: float = 0.0
    locked_fp: float = 0.0
    locked_tn: float = 0.0
    locked_pass_squares: float = 0.0
    locked_fail_squares: float = 0.0
    locked_fp_squares: float = 0.0
    locked_tn_squares: float = 0.0
    locked_pass_labels: int = 0
    locked_fail_labels: int = 0
    locked_passes: int = 0
    """Of these labels, how many pass an answer."""
    locked_failures: int = 0
    judged: int = 0
    """The night's verdicts of the evaluator."""
    judged_weight: float = 0.0
    judged_weight_passed: float = 0.0
    ties: int = 0
    """Answers on which people voted alike for both verdicts: no label."""
    pairs: int = 0
    """Pairs of people who judged the same answer."""
    pairs_agreed: int = 0

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)


class CauseRate(NamedTuple):
    """A row of `rpt_cause_rates`: the verdicts on traces that share a value of a field."""

    dimension: str
    evaluator: str
    field: str
    value: str | None
    passed: int
    failed: int
    date: date | None = None
    evaluator_version: str = ""
    """Empty in older marts."""
    weight: float | None = None
    weight_squares: float | None = None
    weight_passed: float | None = None


class StratumCount(NamedTuple):
    """A row of `rpt_strata`: the verdicts on a night's traces of one stratum and version."""

    dimension: str
    evaluator: str
    evaluator_version: str
    stratum: str
    passed: int
    failed: int
    weight: float
    weight_squares: float
    weight_passed: float
    prompt_version: str = ""
    model: str = ""
    git_commit: str = ""
    date: date | None = None

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)


class TraceCount(NamedTuple):
    """A row of `rpt_provenance`: how many traces of a night have a value of a field."""

    field: str
    value: str | None
    n: int
    date: date | None = None


class StatusCount(NamedTuple):
    """A row of `rpt_statuses`: how many requests of a night ended in one way."""

    status: str
    n: int


class GuardCount(NamedTuple):
    """A row of `rpt_guard_audit`: decisions of a guard beside the verdicts on the same answers."""

    guardrail: str
    outcome: str
    """`stopped`, `flagged`, `passed`, `unchecked` or `skipped`."""
    night_verdict: str | None
    people_verdict: str | None
    n: int


class TopicCount(NamedTuple):
    """A row of `rpt_topics`: the requests of one topic on one night, or of all together."""

    date: date
    is_whole: bool
    topic: str
    """`other`: in none of the topics; empty: the night has none."""
    topic_id: str | None
    topic_since: date | None
    topic_models: int
    topic_gap: str | None
    n: int
    unmet: int
    refused: int
    apologised: int
    repeated: int
    rephrased: int
    abandoned: int
    sessions: int
    session_ss: float | None
    session_squares: float | None

    @property
    def is_topic(self) -> bool:
        """Whether it is a topic's, or that of the requests in none."""
        return not self.is_whole and self.topic_models > 0


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
    gold_rows: int = 0
    gold_matched: int = 0
    gold_version: str = ""
    date: date | None = None

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)


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

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)


class Anchor(NamedTuple):
    """A row of the lake's `anchors`: an answer that a judge was asked about again."""

    date: date
    """The night that asked."""
    dimension: str
    evaluator: str
    evaluator_version: str
    kind: str
    """`changed`: another version had judged it before; `same`: this one."""
    content_key: str
    before_version: str
    before: str
    """`pass` or `fail`."""
    verdict: str | None
    """The same now."""
    code: str | None
    weight: float | None
    """How many answers it represents; None: it was chosen for its label alone."""
    label: str | None = None
    probability: float | None = None
    trace_date: date | None = None

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)


class Repeats(NamedTuple):
    """A row of the lake's `noise`: a judge's repeated verdicts compared with its first ones."""

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

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)


class Paid(NamedTuple):
    """The sums of a night's ledger rows."""

    usd: float = 0.0
    calls: int = 0
    unpriced: int = 0
    """Calls of models without a price in the catalog."""
    tokens_in: int = 0
    tokens_out: int = 0
    bounded: int = 0
    """Calls whose cost is the most they can cost."""


def read_row(kind: Callable[..., Record], row: Row) -> Record:
    """Returns a row as a `NamedTuple`; columns without a default are required."""
    return kind(
        **{name: convert(row[name]) for name, convert in list_converters(kind) if name in row}
    )


def read_rows(kind: Callable[..., Record], rows: Iterable[Row]) -> list[Record]:
    """Returns rows as records, in their order."""
    return [read_row(kind, row) for row in rows]


@functools.cache
def list_converters(kind: Callable[..., object]) -> list[tuple[str, Callable[[object], object]]]:
    """Returns a record's columns, each with the function that makes its value plain Python."""
    return [(name, find_converter(str(hint))) for name, hint in get_type_hints(kind).items()]


def find_converter(hint: str) -> Callable[[object], object]:
    """Returns the function that makes ints, floats and dates of a column's values."""
    converters: dict[str, Callable[..., object]] = {
        "int": int,
        "float": float,
        "date": convert_date,
    }
    convert = next((convert for name, convert in converters.items() if name in hint), None)
    if convert is None:
        return lambda value: value
    return functools.partial(convert_unless_null, convert)


def convert_unless_null(convert: Callable[..., object], value: object) -> object:
    """Converts a value; null stays null."""
    return None if value is None else convert(value)


def convert_date(value: object) -> date:
    """Returns the date of a date, a datetime or an ISO text."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
