"""The fields of a trace: what each may hold, and how a value of another system becomes one.

A row as a whole is `canonical`'s; here a value is looked at by its key.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

import orjson

from evals.records import Json, Trace, canonical
from evals.specs import NAME
from evals.traces.files.strict_json import Refused, inner, word_for

MAX_ID = 256
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
APP = re.compile(NAME)
WHENCE = ("source_format", "source_file", "source_line", "content_hash", "turn")
"""Set by the importer, and no part of what is hashed; a row's own such keys go to metadata."""


def identifier(key: str, value: Json) -> str:
    """Text, or a number as text."""
    if type(value) is str:
        return value
    if type(value) in (int, float):
        return str(value)
    raise wrong_type(key, value, "text")


def prose(_key: str, value: Json) -> str:
    """Text; any other value in its canonical JSON spelling."""
    return value if type(value) is str else canonical(value).decode()


def count(key: str, value: Json) -> int:
    """A whole number that fits a column; true and false are no numbers."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise wrong_type(key, value, "a whole number")
    if not -(2**63) <= value < 2**63:
        raise Refused("bad-number", f"`{key}` does not fit 64 bits; write null where unknown.")
    return value


def measure(key: str, value: Json) -> float:
    """A number; true and false are none."""
    if type(value) is not int and type(value) is not float:
        raise wrong_type(key, value, "a number")
    return float(value)


def listed(key: str, value: Json) -> tuple[Json, ...]:
    """A list, kept as it is."""
    if type(value) is not list:
        raise wrong_type(key, value, "a list")
    return tuple(value)


def words(key: str, value: Json) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(identifier(key, item) for item in listed(key, value))


def keyed(key: str, value: Json) -> dict[str, Json]:
    """An object, kept as it is."""
    if type(value) is not dict:
        raise wrong_type(key, value, "an object")
    return value


def keyed_words(key: str, value: Json) -> dict[str, str]:
    """An object of texts."""
    return {name: identifier(f"{key}.{name}", item) for name, item in keyed(key, value).items()}


def trace_id(key: str, value: Json) -> str:
    """A name of a request, any that a log line can carry; never used as a path."""
    text = identifier(key, value)
    if len(text) > MAX_ID or CONTROL.search(text):
        raise Refused(
            "bad-trace-id",
            f"`{key}` is longer than {MAX_ID} characters or holds a control character; "
            "give each request a short printable id.",
        )
    return text


def app_name(key: str, value: Json) -> str:
    """A name a catalog entry may have."""
    text = identifier(key, value)
    if not APP.fullmatch(text):
        raise Refused(
            "bad-app",
            f"`{key}` is no name; expected up to 64 letters, digits, dots, dashes and "
            "underscores: rename it, or set it under `constants` in a mapping.",
        )
    return text


def wrong_type(key: str, value: Json, expected: str) -> Refused:
    """The refusal of a value of another type, by its key."""
    what = word_for(value)
    return Refused("wrong-type", f"`{key}` is {what}; expected {expected}, or null where unknown.")


Convert = Callable[[str, Json], Any]
CONVERT: dict[str, Convert] = {
    "trace_id": trace_id,
    "app": app_name,
    **dict.fromkeys(("input", "output", "context"), prose),
    **dict.fromkeys(("messages", "steps", "feedback"), listed),
    **dict.fromkeys(("params", "metadata"), keyed),
    **dict.fromkeys(("tokens_in", "tokens_out"), count),
    **dict.fromkeys(("latency_ms", "cost_usd"), measure),
    "versions": keyed_words,
    "tags": words,
}
CONVERT |= {f.name: identifier for f in fields(Trace) if f.name not in (*CONVERT, *WHENCE, "ts")}
UNTYPED = (identifier, prose, trace_id, app_name)
"""Conversions to text: a cell is what it says."""
MUTABLE = ("params", "versions", "metadata")
BLANK = {
    f.name: None if f.default is MISSING else f.default
    for f in fields(Trace)
    if f.name not in (*WHENCE, *MUTABLE)
} | {"output": ""}


def cell(key: str, text: str) -> Json:
    """A table's text as the number, list or object that its column holds; empty text is null."""
    if not text:
        return None
    convert = CONVERT[key]
    if convert in (count, measure):
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(text) if text[0] not in "[{" else text
    return text if convert in UNTYPED else inner(text)


def attempt(convert: Convert, key: str, value: Json, always: bool = False) -> Any:
    """What a conversion gives, or None where it refuses or there is nothing to convert."""
    try:
        return convert(key, value) if value is not None or always else None
    except Refused:
        return None
