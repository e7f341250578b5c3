"""The languages of a night's requests and answers: those that traces carry, or detected ones.

How a language is detected is in `evaluators.language_detection`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from evals.evaluators.language_detection import detect_language
from evals.evaluators.languages import read_language
from evals.records import Json
from evals.storage.lake import Lake

TABLE = "requests"
COLUMNS = ("content_hash", "input_language", "output_language")
CARRIED = ("language", "lang", "locale")
"""Keys of `metadata` in which a trace carries the language of its user, the first one counts."""
LONGEST = 40
"""Characters of a carried language; a longer text is none."""


class Languages(NamedTuple):
    """The languages of a trace: codes, or `unknown`."""

    input_language: str
    output_language: str


def read_languages(lake: Lake, night: date, app: str) -> dict[str, Languages]:
    """Reads the languages of an application's traces as they were described, by content."""
    found = dict[str, Languages]()
    for rows in lake.stream_batches(TABLE, night, COLUMNS, app):
        for row in rows:
            if row.get("content_hash") and row["input_language"] and row["output_language"]:
                own = Languages(row["input_language"], row["output_language"])
                found[row["content_hash"]] = own
    return found


def find_languages(row: Mapping[str, Any], described: Mapping[str, Languages]) -> Languages:
    """Finds the languages of a trace; one that was described with the same content has those."""
    content = row.get("content_hash")
    if content and content in described:
        return described[content]
    carried = find_carried(row.get("metadata") or "")
    return Languages(
        carried or detect_language(row["input"] or ""), detect_language(row["output"] or "")
    )


def find_carried(metadata: str) -> str | None:
    """Finds the language that a trace's metadata names; None where it names none."""
    if not any(f'"{key}"' in metadata for key in CARRIED):
        return None
    try:
        values: Json = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    named = [values.get(key) for key in CARRIED] if isinstance(values, dict) else []
    codes = (read_code(value) for value in named if isinstance(value, str))
    return next((code for code in codes if code), None)


@functools.lru_cache(maxsize=1024)
def read_code(name: str) -> str | None:
    """Returns the code of a language by its name or code; None where there is no such language."""
    if len(name) > LONGEST:
        return None
    try:
        return read_language(name)
    except ValueError:
        return None
