"""The fields of a trace: which values each accepts, and how values are converted.

`canonical` handles rows as a whole; here a value is converted by its key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import TypeVar

from evals.records import Json, Trace, encode_canonical
from evals.specs import NAME
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.strict_json import Refused, name_type
from evals.traces.rows.numbers import Mark, read_number

MAX_ID = 256
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
APP = re.compile(NAME)
ORIGIN_FIELDS = ("source_format", "source_file", "source_line", "content_hash", "turn")
"""Set by the importer and not hashed; a row's own keys of these names go to metadata."""


def to_identifier(key: str, value: Json) -> str:
    """Returns text, or a number as text."""
    if type(value) is str:
        return value
    if type(value) in (int, float):
        return str(value)
    raise refuse_type(key, value, "text")


def to_prose(_key: str, value: Json) -> str:
    """Returns text, or any other value as canonical JSON."""
    return value if type(value) is str else encode_canonical(value).decode()


def to_count(key: str, value: Json) -> int:
    """Returns a whole number of 64 bits; true and false are refused."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise refuse_type(key, value, "a whole number")
    if not -(2**63) <= value < 2**63:
        raise Refused("bad-number", f"`{key}` does not fit 64 bits; write null where unknown.")
    return value


def to_number(key: str, value: Json) -> float:
    """Returns a number; true and false are refused."""
    if type(value) is not int and type(value) is not float:
        raise refuse_type(key, value, "a number")
    return float(value)


def to_list(key: str, value: Json) -> tuple[Json, ...]:
    """Returns a list as a tuple."""
    if type(value) is not list:
        raise refuse_type(key, value, "a list")
    return tuple(value)


def to_texts(key: str, value: Json) -> tuple[str, ...]:
    """Returns a list of texts as a tuple; a text is a list with commas."""
    if type(value) is str:
        return tuple(filter(None, map(str.strip, value.split(","))))
    if type(value) in (int, float):
        value = [value]
    return tuple(to_prose(key, item) for item in to_list(key, value) if item is not None)


def to_object(key: str, value: Json) -> dict[str, Json]:
    """Returns an object."""
    if type(value) is not dict:
        raise refuse_type(key, value, "an object")
    return value


def to_text_object(key: str, value: Json) -> dict[str, str]:
    """Returns an object with its values as texts."""
    items = to_object(key, value).items()
    return {name: to_prose(f"{key}.{name}", item) for name, item in items if item is not None}


def to_trace_id(key: str, value: Json) -> str:
    """Returns a printable id of a request; it is never used as a path."""
    text = to_identifier(key, value)
    if len(text) > MAX_ID or CONTROL.search(text):
        raise Refused(
            "bad-trace-id",
            f"`{key}` is longer than {MAX_ID} characters or holds a control character; "
            "give each request a short printable id.",
        )
    return text


def to_app_name(key: str, value: Json) -> str:
    """Returns a name that a catalog entry may have."""
    text = to_identifier(key, value)
    if not APP.fullmatch(text):
        raise Refused(
            "bad-app",
            f"`{key}` is no name; expected up to 64 letters, digits, dots, dashes and "
            "underscores: rename it, or set it under `constants` in a mapping.",
        )
    return text


def refuse_type(key: str, value: Json, expected: str) -> Refused:
    """Makes the refusal of a value of the wrong type."""
    what = name_type(value)
    return Refused("wrong-type", f"`{key}` is {what}; expected {expected}, or null where unknown.")


T = TypeVar("T")
Convert = Callable[[str, Json], object]
CONVERT: dict[str, Convert] = {
    "trace_id": to_trace_id,
    "app": to_app_name,
    **dict.fromkeys(("input", "output", "context"), to_prose),
    **dict.fromkeys(("messages", "steps", "feedback"), to_list),
    **dict.fromkeys(("params", "metadata"), to_object),
    **dict.fromkeys(("tokens_in", "tokens_out"), to_count),
    **dict.fromkeys(("latency_ms", "cost_usd"), to_number),
    "versions": to_text_object,
    "tags": to_texts,
    **dict.fromkeys(
        ("session_id", "user_id", "model_requested", "model", "provider", "finish_reason"),
        to_identifier,
    ),
    **dict.fromkeys(("prompt_name", "prompt_version", "prompt_hash", "git_commit"), to_identifier),
}
"""The conversion of each field that a row may have, except `ts`."""
UNTYPED = (to_identifier, to_prose, to_trace_id, to_app_name)
"""Conversions to text: a text needs no parsing."""
MUTABLE = ("params", "versions", "metadata")
LISTS = ("messages", "steps", "feedback", "tags")
NESTED = (*LISTS, *MUTABLE)
BLANK: Mapping[str, object] = {
    f.name: None if f.default is MISSING else f.default
    for f in fields(Trace)
    if f.name not in (*ORIGIN_FIELDS, *MUTABLE)
} | {"output": ""}
DEFAULTS: dict[str, object] = {
    **BLANK,
    **dict.fromkeys(MUTABLE, "{}"),
    **dict.fromkeys(LISTS, "[]"),
}
"""The value of a field that a row lacks, as the lake stores it."""


NUMERIC = frozenset(key for key, convert in CONVERT.items() if convert in (to_count, to_number))
TYPED = frozenset(key for key, convert in CONVERT.items() if convert not in UNTYPED)
"""Fields of numbers, lists and objects, which a text may represent."""
REQUIRED = ("trace_id", "app")
"""Fields without which a row is no trace; `ts` is the third."""


def parse_text(key: str, text: str, decimal: Mark | None) -> Json:
    """Parses a text as the number, list or object of its field; empty text is null."""
    if not text.strip() or text == "null":
        return None
    if key in NUMERIC:
        number = read_number(text, decimal)
        return text if number is None else number
    return parse_wrapper(text)


def try_convert(
    convert: Callable[[str, Json], T], key: str, value: Json, always: bool = False
) -> T | None:
    """Converts a value; returns None where it is refused, or null and not `always`."""
    try:
        return convert(key, value) if value is not None or always else None
    except Refused:
        return None
