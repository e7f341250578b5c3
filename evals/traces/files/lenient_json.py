"""Parses JSON that has a flaw, so that one bad value costs no more than itself.

`strict_json` parses what has none, and refuses the rows of our own format. Here are rows of other
systems, which hold many traces, and the JSON in texts of theirs.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from evals.records import Json
from evals.traces.files.documents import TOKEN
from evals.traces.files.strict_json import MAX_DEPTH, OPENS, Refused, parse_inner
from evals.traces.files.strict_json import parse_finite_float as parse_float
from evals.traces.files.strict_json import parse_sized_int as parse_int

TOO_DEEP = "[nested too deep]"
BAD_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|(.|\Z))', re.DOTALL)
"""A backslash and what it escapes; the group is what no JSON escapes."""
WRAPPER = re.compile(
    r'[\s\[]*\{\s*"(?:role|parts|message|messages|content|choices|candidates|generations|outputs?'
    r'|inputs|response|kwargs|id|object|type|lc|model|index|created|usage|finish_reason)"\s*:'
)
"""How messages and responses begin."""
MARK = re.compile(r'"(?:role|messages|parts|choices|candidates|generations|kwargs)"\s*:')
"""Keys of messages and responses, without one of which a text is neither."""
SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


class RepairedObject(NamedTuple):
    """An object whose text had flaws."""

    value: dict[str, Json]
    flaws: dict[str, str]
    """What was found under each key whose value had a flaw, the last of each."""


class OddNumber(str):
    """The text of a number that JSON lacks or that 64 bits do not hold."""


def repair_object(raw: bytes) -> RepairedObject | None:
    """Parses an object in spite of its flaws; None where it is no JSON at all.

    A number that JSON lacks or 64 bits do not hold is its text; half a surrogate pair and bytes
    that are not UTF-8 are replaced; of a key that is there twice the last value counts; what is
    nested too deep is replaced by a text.
    """
    flaws: dict[str, str] = {}
    value = parse_flawed(cut_depth(raw).decode("utf-8", "replace"), flaws)
    return RepairedObject(value, flaws) if type(value) is dict else None


def parse_wrapper(text: str) -> Json:
    """Parses the list or object in a text in spite of its flaws; returns any other text unchanged.

    For texts whose JSON is no one's own words, such as the messages of a call: an answer in such a
    text is read though a value beside it is flawed.
    """
    value = parse_inner(text)
    if value is not text or text[:1] not in OPENS:
        return value
    raw = cut_depth(text.encode("utf-8", "surrogatepass"))
    value = parse_flawed(raw.decode("utf-8", "replace"), {})
    return value if type(value) in (dict, list) else text


def is_broken_wrapper(value: Json) -> bool:
    """Whether a value is the text of a model's messages or response that cannot be parsed.

    It begins as one, and is cut off or damaged. Any other text may be somebody's words.
    """
    return (
        type(value) is str
        and WRAPPER.match(value) is not None
        and MARK.search(value) is not None
        and type(parse_wrapper(value.strip())) is str
    )


def parse_flawed(text: str, flaws: dict[str, str]) -> Json:
    """Parses a text with flaws, and notes them by key; None where it is no JSON."""

    def join_pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        value = dict(pairs)
        if len(value) < len(pairs):
            for key, item in pairs:
                if value[key] != item:
                    flaws[key] = str(item)
        return value

    for attempt in (text, escape_backslashes(text)):
        try:
            value: Json = json.loads(
                attempt,
                strict=False,
                object_pairs_hook=join_pairs,
                parse_int=parse_whole_number,
                parse_float=parse_fraction,
                parse_constant=OddNumber,
            )
            return clean_value(value, "", flaws)
        except (ValueError, RecursionError):
            continue
    return None


def parse_whole_number(text: str) -> Json:
    """Parses an integer; one that 64 bits do not hold stays text."""
    try:
        return parse_int(text)
    except Refused:
        return OddNumber(text)


def parse_fraction(text: str) -> Json:
    """Parses a float; one that is not finite stays text."""
    try:
        return parse_float(text)
    except Refused:
        return OddNumber(text)


def clean_value(value: Json, key: str, flaws: dict[str, str]) -> Json:
    """Replaces what is no text in a parsed value, and notes under which key."""
    if isinstance(value, str):
        text = SURROGATE.sub(REPLACEMENT, value)
        if text != value or type(value) is OddNumber:
            flaws[key] = text
        return str(text)
    if type(value) is list:
        return [clean_value(item, key, flaws) for item in value]
    if type(value) is dict:
        return {
            SURROGATE.sub(REPLACEMENT, name): clean_value(item, name, flaws)
            for name, item in value.items()
        }
    return value


def escape_backslashes(text: str) -> str:
    """Escapes the backslashes that escape nothing in JSON, as those of a Windows path."""
    return BAD_ESCAPE.sub(lambda m: m[0] if m[1] is None else "\\\\" + m[1], text)


def cut_depth(raw: bytes) -> bytes:
    """Replaces what is nested deeper than any column by a text."""
    if len(raw) <= MAX_DEPTH or raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return raw
    pieces: list[bytes] = []
    depth = start = 0
    for token in TOKEN.finditer(raw):
        if token[1] is not None:
            continue
        if token[0] in b"[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                pieces += [raw[start : token.start()], json.dumps(TOO_DEEP).encode()]
        else:
            depth -= 1
            if depth == MAX_DEPTH:
                start = token.end()
    return raw if depth > MAX_DEPTH else b"".join([*pieces, raw[start:]])
