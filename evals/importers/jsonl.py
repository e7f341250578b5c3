"""Plain JSONL: one JSON object a line, under canonical names, synonyms or a catalog's mapping.

The shapes of other systems have modules of their own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import orjson

from evals.importers import canonical
from evals.importers.canonical import Reading
from evals.importers.streams import MAX_LINE, Line, read_lines
from evals.importers.strict_json import Refused, parse
from evals.records import Refusal, Trace

NAME = "jsonl"
SUFFIXES = (".jsonl", ".ndjson")
BOM = b"\xef\xbb\xbf"
BROKEN_LINES = {
    "line-too-long": f"The line is longer than {MAX_LINE >> 20} MiB; split it, or leave out what "
    "no evaluator reads.",
    "truncated-gzip": "The compressed file ends too early; the rows before this line were read: "
    "fetch the file again.",
    "unreadable-file": "The file cannot be read from here on; the rows before this line were "
    "read: fetch it again.",
}


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


def read(stream: io.BufferedIOBase, reading: Reading) -> Iterator[Trace | Refusal]:
    """One trace or one refusal for every line that is not blank."""
    for line in read_lines(stream):
        yield row_of(line, reading)


def row_of(line: Line, reading: Reading) -> Trace | Refusal:
    """What one line becomes."""
    raw, parsed = line.raw, None
    if line.number == 1:
        raw = raw.removeprefix(BOM)
    try:
        if line.code:
            detail = f" ({line.problem})" if line.problem else ""
            raise Refused(line.code, BROKEN_LINES[line.code] + detail)
        parsed = parse(raw)
        return canonical.trace_from(parsed, reading, NAME, line.number)
    except Refused as problem:
        return canonical.refusal(problem, line.raw, line.number, reading, parsed)
