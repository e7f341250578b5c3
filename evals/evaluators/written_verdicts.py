"""Verdicts as judges write them: strict JSON first, then what can be read without guessing.

What is asked is in `judges`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import NamedTuple, cast

from evals.evaluators.reply_wrapping import strip_wrapping
from evals.models import FAULTS
from evals.records import Failure, Json

VERDICTS = {"pass": 1.0, "fail": 0.0}


class Written(NamedTuple):
    """A verdict as a judge wrote it."""

    verdict: str
    critique: str


def read_written(text: str, words: Mapping[str, float], *, is_cut: bool) -> Written | Failure:
    """Parses an answer's text; one without a clear verdict is an error.

    Args:
        text: the text.
        words: the verdicts that there are.
        is_cut: whether it ended at the limit of tokens.
    """
    written = parse_json(text, words)
    if written is None:
        text = strip_wrapping(text)
        written = parse_json(text, words)
        written = written or (None if is_cut else parse_broken_json(text, words))
    if written is not None:
        return written
    if len({word.lower() for word in find_verdicts(text, words)}) > 1:
        return fail_with("two-verdicts")
    return fail_with("cut-short" if is_cut else "unparseable")


def fail_with(code: str) -> Failure:
    """Returns the failure for an answer without a verdict, which a later run may repeat."""
    return Failure(code, FAULTS[code], retryable=True)


def find_verdicts(text: str, words: Mapping[str, float]) -> list[str]:
    """Finds the verdicts that are written as a key and a value."""
    return compile_verdicts("|".join(words)).findall(text)


@functools.cache
def compile_verdicts(words: str) -> re.Pattern[str]:
    """Compiles the pattern of a written verdict."""
    return re.compile(rf"[\"']?verdict[\"']?\s*:\s*[\"']?({words})\b", re.IGNORECASE)


def parse_json(text: str, words: Mapping[str, float]) -> Written | None:
    """Reads the verdict of a text that is one JSON object; allows line breaks inside strings."""
    try:
        value = json.loads(text, object_pairs_hook=reject_duplicates, strict=False)
        return read_object(value, words)
    except (ValueError, RecursionError):
        return None


def parse_broken_json(text: str, words: Mapping[str, float]) -> Written | None:
    """Reads the verdict of one object with wrong quotes, wrong commas or a missing bracket."""
    import json_repair

    is_object = (
        text.startswith("{") and text.count("{") == 1 and len(find_verdicts(text, words)) == 1
    )
    if not is_object or "}" in text[:-1]:
        return None
    try:
        return read_object(cast("Json", json_repair.loads(text)), words)
    except (ValueError, RecursionError):
        return None


def reject_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Returns an object as a dict; raises ValueError for a repeated key."""
    if len(value := dict(pairs)) < len(pairs):
        raise ValueError("a key is repeated")
    return value


def read_object(value: Json, words: Mapping[str, float]) -> Written | None:
    """Reads the verdict of an object of the schema in any letter case; else returns None."""
    value = unwrap_call(value)
    if not isinstance(value, dict) or not value.keys() <= {"critique", "verdict"}:
        return None
    word, critique = value.get("verdict"), value.get("critique", "")
    if not isinstance(word, str) or not isinstance(critique, str):
        return None
    verdict = word.strip().lower()
    return Written(verdict, critique[:2000]) if verdict in words else None


def unwrap_call(value: Json) -> Json:
    """Returns the arguments of a call that a model wrote out, to the schema as if to a tool."""
    if not isinstance(value, dict) or value.get("name") != "verdict" or len(value) != 2:
        return value
    return value.get("arguments") or value.get("parameters")
