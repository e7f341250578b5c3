"""Restores the original bytes of refused rows that were parsed.

A misread timestamp hides its original text, so the bytes are stored for a replay without the
export. Rows that could not be parsed have their bytes already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

from evals.records import Refusal, Trace, encode_canonical
from evals.storage.record_tables import to_table
from evals.traces.files.containers import Container, read_rows
from evals.traces.files.streams import BROKEN, MAX_STORED

ROW_FORMATS = ("jsonl", "json", "csv", "parquet", "openai", "bedrock", "vertex", "litellm")
"""Formats in which every line, element or table row is one trace."""


def restore_raw(
    path: Path, container: Container, refused: list[Refusal], lines: Collection[int]
) -> list[Refusal]:
    """Returns the refused rows, those of some lines with their bytes; reads the export again."""
    if not lines:
        return refused
    try:
        every = read_rows(path, container)
        raw = {line.number: line.raw[:MAX_STORED] for line in every if line.number in lines}
    except BROKEN:
        return refused
    return [
        dataclasses.replace(row, raw=raw[row.source_line]) if row.source_line in raw else row
        for row in refused
    ]


def rebuild_raw(trace: Trace) -> bytes:
    """Rebuilds a row as its export may have written it: its fields and its metadata."""
    (row,) = to_table(Trace, [trace]).to_pylist()
    hidden = ("source_format", "source_file", "source_line", "content_hash", "metadata", "turn")
    fields = {
        key: getattr(trace, key)
        for key, value in row.items()
        if key not in hidden and value not in (None, "", "[]", "{}")
    }
    return encode_canonical({**trace.metadata, **fields, "ts": trace.ts.isoformat()})
