"""Plain JSON: one object a line, under canonical names, synonyms or a catalog's mapping.

The shapes of other systems have modules of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from evals.importers import canonical, tables
from evals.importers.canonical import Found, Reading
from evals.importers.streams import Line

NAME = "jsonl"
SUFFIXES = (".jsonl", ".ndjson")
BOM = b"\xef\xbb\xbf"
DOCUMENT = tables.Plain("json")
"""A list of canonical rows in one document."""


def sniff(head: bytes, filename: str) -> bool:
    """Whether a file is JSONL: by its name, or by a line that is an object."""
    if any(suffix in filename.lower() for suffix in SUFFIXES):
        return True
    *whole, last = head.removeprefix(BOM).split(b"\n")
    if not whole:
        return last.lstrip().startswith(b"{")
    return any(is_object(line) for line in (*whole, last))


def is_object(line: bytes) -> bool:
    """Whether a line is a JSON object."""
    try:
        return line.lstrip().startswith(b"{") and type(orjson.loads(line)) is dict
    except orjson.JSONDecodeError:
        return False


def read(rows: Iterable[Line], reading: Reading) -> Iterator[Found]:
    """One trace or one refusal for every line that is not blank."""
    for line in rows:
        yield canonical.row_of(line, reading, NAME)
