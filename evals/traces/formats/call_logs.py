"""Logs of single calls of models, as providers and gateways write them: one entry is one trace.

Each such format is a module that finds and converts an entry; this one reads the
entries, skips those that are no answers, and refuses a file that has no text in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from evals.records import Json, Label, NonAnswer, digest, encode_canonical
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.messages.parts import Object
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.fields import APP
from evals.traces.rows.product_rows import parse_product_row

EMPTY: tuple[Json, ...] = (None, "", [], {})
WITHOUT_TEXT = "entry without text"
"""The kind of an entry that describes a call and has neither its question nor its answer."""
SESSION_KEYS = ("session_id", "sessionId", "session", "conversation_id", "thread_id")
USER_KEYS = ("user_id", "userId", "user", "end_user")
APP_KEYS = ("app", "application", "app_name", "service")
"""Keys under which teams tag a call with its session, user and application."""


class Entry(NamedTuple):
    """One logged call under canonical names, and the labels beside it."""

    fields: Object
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class CallLog:
    """A format whose entries are single calls."""

    name: str
    list_entries: Callable[[Object], list[Json]]
    """Lists the entries of a row of the file, which may be a page of them."""
    convert: Callable[[Object, Reading], Entry | str]
    """Converts an entry; for one that is no answer, returns what it is instead."""
    without_text: str
    """The refusal of a file that has no text: what it has, and what to export instead."""

    def read(self, rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
        """Yields traces, with their labels before them, refusals, and entries to skip."""
        textless = texts = 0
        for line in rows:
            for output in self.read_row(line, reading):
                is_textless = isinstance(output, NonAnswer) and output.kind == WITHOUT_TEXT
                textless += is_textless
                texts += not is_textless
                yield output
        if textless and not texts:
            problem = Refused("no-answer-text", self.without_text)
            yield canonical.make_refusal(problem, b"", 0, reading)

    def read_row(self, line: Line, reading: Reading) -> Iterator[ImporterOutput]:
        """Yields what the entries of one row of the file become."""
        try:
            parsed = parse_product_row(line, reading)
            entries = self.list_entries(parsed)
        except Refused as problem:
            yield canonical.make_refusal(problem, line.raw, line.number, reading)
            return
        for entry in entries:
            raw = line.raw if len(entries) == 1 else encode_canonical(entry)
            yield from self.read_entry(entry, raw, line.number, reading)

    def read_entry(
        self, entry: Json, raw: bytes, number: int, reading: Reading
    ) -> Iterator[ImporterOutput]:
        """Yields the trace of one entry, its refusal, or what it is instead."""
        row: Object | None = None
        try:
            entry = parse_wrapper(entry) if type(entry) is str else entry
            if type(entry) is not dict:
                raise Refused(
                    "bad-entry", f"An entry of the log is no object; expected one of {self.name}."
                )
            row = identify_entry(entry)
            converted = self.convert(entry, reading)
            if isinstance(converted, str):
                yield NonAnswer(number, converted)
                return
            row = drop_empty(complete_step(converted.fields))
            trace = canonical.build_trace(row, reading, self.name, number)
            yield from converted.labels
            yield trace
        except Refused as problem:
            yield canonical.make_refusal(problem, raw, number, reading, row or None)


def identify_entry(entry: Object) -> Object:
    """Returns the id and time of an entry that cannot be converted, for its refusal."""
    return {"trace_id": find_first(entry, *ID_KEYS), "ts": to_iso(find_first(entry, *TIME_KEYS))}


ID_KEYS = ("requestId", "request_id", "id")
TIME_KEYS = ("timestamp", "logging_time", "request_created_at", "startTime")


def drop_empty(fields: Object) -> Object:
    """Drops the fields that have no value."""
    return {key: value for key, value in fields.items() if value not in EMPTY}


def find_first(value: Object, *keys: str) -> Json:
    """Returns the first value under some keys that is not empty."""
    return next((value[key] for key in keys if value.get(key) not in EMPTY), None)


def get_object(value: Object, *keys: str) -> Object:
    """Returns the first object under some keys, also if it is JSON in a text; else an empty one."""
    for key in keys:
        inner = value.get(key)
        inner = parse_wrapper(inner) if type(inner) is str else inner
        if type(inner) is dict and inner:
            return inner
    return {}


def read_number(value: Json) -> float | None:
    """Returns a number, also one in a text; None for anything else."""
    if type(value) is str and NUMBER.fullmatch(value):
        return float(value)
    return float(value) if type(value) is int or type(value) is float else None


NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?")


def read_count(value: Json) -> int | None:
    """Returns a whole number, also one in a text; None for anything else, and below zero."""
    number = read_number(value)
    return int(number) if number is not None and number >= 0 and number.is_integer() else None


def to_iso(value: Json) -> Json:
    """Returns a time in ISO form that is a number since 1970 or ends in its zone's name.

    A number is of seconds, milliseconds or microseconds, by its size. Any other value stays.
    """
    if type(value) is str and value.endswith((" UTC", " Z")):
        return f"{value.rpartition(' ')[0]}+00:00"
    number = read_number(value)
    if number is None:
        return value
    unit = next((unit for unit in (1.0, 1e3, 1e6) if 0 < number / unit < 7e9), None)
    return datetime.fromtimestamp(number / unit, UTC).isoformat() if unit else value


def read_tags(tags: Object) -> Object:
    """Returns the session, user and application that a team's own tags name."""
    app = find_first(tags, *APP_KEYS)
    return drop_empty(
        {
            "session_id": find_first(tags, *SESSION_KEYS),
            "user_id": find_first(tags, *USER_KEYS),
            "app": app if type(app) is str and APP.fullmatch(app) else None,
        }
    )


def shorten_model(model: Json) -> str | None:
    """Returns the last part of a model's long name: of a path, a resource's name or an ARN."""
    if type(model) is not str or not model:
        return None
    return model.rstrip("/").rsplit("/", 1)[-1] or model


def choose_model(fields: Object, *names: Json) -> Json:
    """Returns the model that answered: the response's, or else a name of the log.

    None for a call that failed: no model answered it.
    """
    steps = fields.get("steps")
    first = steps[0] if type(steps) is list and steps else None
    failed = type(first) is dict and first.get("error") and not fields.get("output")
    return fields.get("model") or (None if failed else next(filter(None, names), None))


def has_text(fields: Object, response: Object) -> bool:
    """Whether the log has a call's text: its question or answer, and a response or an error.

    A call whose response is not in the log may have been answered: it is no empty answer.
    """
    steps = fields.get("steps")
    first = steps[0] if type(steps) is list and steps else None
    step = first if type(first) is dict else {}
    if not response and not step.get("error"):
        return False
    return any(fields.get(key) not in EMPTY for key in ("messages", "input", "output")) or bool(
        step.get("tool_calls") or step.get("reasoning")
    )


def complete_step(fields: Object) -> Object:
    """Adds to the step of the call what the log has beside its response."""
    steps = fields.get("steps")
    if type(steps) is not list or not steps or type(first := steps[0]) is not dict:
        return fields
    own = {key: fields.get(key) for key in ("model", "finish_reason", "tokens_in", "tokens_out")}
    return {**fields, "steps": [{**first, **drop_empty(own)}, *steps[1:]]}


def make_id(call_id: Json, entry: Object) -> Json:
    """Returns a call's id; without one, a hash of its entry."""
    return call_id if call_id not in EMPTY else f"call-{digest(entry, 24)}"


def add_metadata(fields: Object, more: Object) -> Object:
    """Adds to the metadata of a call what is not empty."""
    metadata = get_object(fields, "metadata")
    return {**fields, "metadata": {**metadata, **drop_empty(more)}}
