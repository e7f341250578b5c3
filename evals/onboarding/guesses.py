"""Guesses which column of an unknown export is which field of a trace, and why.

By name first, by content where no name is known; a person reads the guess in the file it is
written to. Never used at night.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from evals.onboarding.columns import Column
from evals.records import Json
from evals.traces.files.strict_json import Refused
from evals.traces.rows.mapping import GROUP
from evals.traces.rows.missing_output import OUTPUT_NAMES, normalize_name
from evals.traces.rows.timestamps import read_timestamp

NAMES = MappingProxyType(
    {
        "output": " ".join(OUTPUT_NAMES),
        "input": "input question prompt query usermessage userinput request message frage anfrage "
        "eingabe pregunta domanda",
        "ts": "ts timestamp createdat created starttime startedat time datetime date eventtime "
        "datum zeit zeitpunkt zeitstempel fecha",
        "trace_id": "traceid id requestid uuid runid messageid callid logid interactionid",
        "app": "app application appname service servicename project bot assistantname anwendung",
        "context": "context contexts documents sourcetext source passages retrieved knowledge "
        "kontext",
        "session_id": "sessionid session conversationid threadid chatid dialogid",
        "user_id": "userid user customerid customer accountid kunde kundennummer",
        "model": "model modelname modelid llm modell",
        "prompt_version": "promptversion promptrevision prompttag",
        "latency_ms": "latencyms durationms elapsedms responsetimems dauerms",
        "tokens_in": "tokensin inputtokens prompttokens",
        "tokens_out": "tokensout outputtokens completiontokens",
        "cost_usd": "costusd cost totalcost price kosten kostenusd",
        "finish_reason": "finishreason stopreason",
        "git_commit": "gitcommit commit gitsha release",
    }
)
"""Names of columns by field, without case and separators, the most telling first."""
FORMATS = (
    None, "epoch", "epoch_ms", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y%m%d",
    "%Y-%m-%d_%H-%M-%S",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%y %H:%M",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y", "%b %d, %Y %H:%M",
)  # fmt: skip
"""Timestamp formats that are tried; None is ISO 8601."""
SAMPLE = 200
NUMBERS = ("latency_ms", "tokens_in", "tokens_out", "cost_usd")
"""Fields of numbers."""


@dataclass(frozen=True)
class Guess:
    """A column taken for a field."""

    field: str
    path: str
    reason: str
    """`name`, or what of its content speaks for it."""
    format: str | None = None
    """Of a timestamp: its format, None for ISO 8601."""
    is_local: bool = False
    """Of a timestamp: whether some of its values have no zone."""
    other_formats: tuple[str, ...] = ()
    """Further formats in which every value can be read: a person has to choose."""

    def as_column(self) -> Json:
        """The column as a mapping spells it."""
        return {"path": self.path, "format": self.format} if self.format else self.path


def guess_fields(columns: Sequence[Column]) -> dict[str, Guess]:
    """Guesses the column of each canonical field; fields without a column are left out."""
    free = {column.path: column for column in columns}
    guesses = guess_group(columns)
    for guess in guesses.values():
        del free[guess.path]
    for field in NAMES:
        if field == "trace_id" and GROUP in guesses:
            continue
        guess = guess_field(field, list(free.values()))
        if guess:
            guesses[field] = guess
            del free[guess.path]
    for field, guess_by_content in BY_CONTENT.items():
        is_open = field not in guesses and not (field == "trace_id" and GROUP in guesses)
        if is_open and (guess := guess_by_content(list(free.values()))):
            guesses[field] = guess
            del free[guess.path]
    return guesses


SPAN_NAMES = MappingProxyType(
    {
        "span_id": "spanid observationid stepid",
        "parent_id": "parentid parentspanid parentobservationid parentrunid parentstepid",
        "name": "name spanname operationname operation stepname",
        "kind": "kind spankind spantype type observationtype runtype steptype",
        "ended": "endtime endedat endedtime ended finishedat end",
        "error": "error errormessage statusmessage",
    }
)
"""Names of columns of a row that is one span of a trace, by field."""
GROUPS = "traceid roottraceid traceuuid runid roottracerunid requestid"
"""Names of the column that the spans of one trace share."""


def guess_group(columns: Sequence[Column]) -> dict[str, Guess]:
    """Guesses the columns of spans, if several rows share a trace's id and have ids of spans."""
    spans = {
        field: guess
        for field, names in SPAN_NAMES.items()
        if (guess := guess_field(field, columns, names))
    }
    group = guess_field(GROUP, [c for c in columns if not c.is_unique], GROUPS)
    if group is None or not spans.keys() & {"span_id", "parent_id"}:
        return {}
    return {GROUP: group, **spans}


def guess_field(field: str, columns: Sequence[Column], names: str = "") -> Guess | None:
    """Guesses the column of a field by its name, if its content does not speak against it."""
    for name in (names or NAMES[field]).split():
        for column in columns:
            if name in (
                normalize_name(column.path),
                normalize_name(column.path.rpartition(".")[2]),
            ):
                fits = FITS.get(field, has_any_value)
                if field == "ts":
                    if guess := guess_timestamp(column, "name"):
                        return guess
                elif fits(column):
                    return Guess(field, column.path, "name")
    return None


def find_data_in_header(columns: Sequence[Column]) -> str | None:
    """Returns a column's name that is a number or a time: the table's first row is no header."""
    for column in columns:
        name = column.path
        is_time = len(name) >= SHORTEST_TIME and any(reads_all([name], form) for form in FORMATS)
        if is_time or re.fullmatch(r"-?\d+([.,]\d+)?", name):
            return name
    return None


SHORTEST_TIME = 8


def has_any_value(column: Column) -> bool:
    """Whether a column has a value at all."""
    return bool(column.values)


def has_simple_values(column: Column) -> bool:
    """Whether no value is a list or an object."""
    return bool(column.values) and not any(
        isinstance(value, dict | list) for value in column.values
    )


def is_id(column: Column) -> bool:
    """Whether every value is a number or a short text."""
    values = column.values
    return column.mean_length <= 64 and all(
        isinstance(value, str | int) and not isinstance(value, bool) for value in values
    )


FITS: dict[str, Callable[[Column], bool]] = {
    "trace_id": lambda column: column.is_unique and is_id(column),
    "app": lambda column: has_simple_values(column) and len(set(map(str, column.values))) <= 50,
    "user_id": has_simple_values,
    "session_id": has_simple_values,
    "model": has_simple_values,
}
"""What a field's column must look like besides its name."""


def guess_timestamp(column: Column, reason: str) -> Guess | None:
    """Guesses the format of a column of timestamps; None where no format reads all its values."""
    sample = column.values[:SAMPLE]
    fitting = [form for form in FORMATS if sample and reads_all(sample, form)]
    if not fitting:
        return None
    is_local = any(read_timestamp(value, fitting[0])[1] for value in sample)
    others = distinct_readings(sample, fitting)
    return Guess("ts", column.path, reason, fitting[0], is_local, others)


def reads_all(values: Iterable[Json], form: str | None) -> bool:
    """Whether every value is a timestamp of a format."""
    try:
        for value in values:
            read_timestamp(value, form)
    except Refused:
        return False
    return True


def distinct_readings(values: Sequence[Json], formats: Sequence[str | None]) -> tuple[str, ...]:
    """The further formats that read some value as another moment than the first format does."""
    first = [read_timestamp(v, formats[0]) for v in values]
    return tuple(
        form for form in formats[1:] if form and [read_timestamp(v, form) for v in values] != first
    )


def find_timestamps(columns: Sequence[Column]) -> Guess | None:
    """Guesses the first column whose every value is a moment between 2000 and now."""
    for column in columns:
        if column.share_filled == 1 and column.is_text and (g := guess_timestamp(column, "dates")):
            return g
    return None


def find_ids(columns: Sequence[Column]) -> Guess | None:
    """Guesses the first column of short values, one of its own for each row."""
    for column in columns:
        if column.rows > 1 and column.is_unique and is_id(column):
            return Guess("trace_id", column.path, "distinct values")
    return None


def find_longest_text(field: str) -> Callable[[Sequence[Column]], Guess | None]:
    """Makes a guess by content: the column with the longest texts."""

    def guess(columns: Sequence[Column]) -> Guess | None:
        texts = [c for c in columns if c.is_text and c.share_filled > 0.5 and c.mean_length >= 20]
        longest = max(texts, key=lambda column: column.mean_length, default=None)
        return Guess(field, longest.path, "longest texts") if longest else None

    return guess


BY_CONTENT: dict[str, Callable[[Sequence[Column]], Guess | None]] = {
    "ts": find_timestamps,
    "output": find_longest_text("output"),
    "input": find_longest_text("input"),
    "trace_id": find_ids,
}
"""How a field is found where no name is known, in this order."""
