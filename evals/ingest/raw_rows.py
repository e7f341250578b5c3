"""The bytes of refused rows as their export spells them, where the row itself was understood.

A moment that was misread cannot be told from what was read: what it was read of is kept, so that
`replay` needs no export. Rows that were not understood bring their bytes along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

from evals.records import Refusal, Trace, encode_canonical
from evals.storage.tables import to_table
from evals.traces.files.containers import Container, read_rows
from evals.traces.files.streams import BROKEN, KEPT

ROW_FORMATS = ("jsonl", "json", "csv", "parquet", "openai")
"""Formats of which every line, element or table row is a trace of its own."""


def restore_raw(
    path: Path, container: Container, refused: list[Refusal], lines: Collection[int]
) -> list[Refusal]:
    """The refused rows, those of some lines with their bytes in the export; reads it once more."""
    if not lines:
        return refused
    try:
        every = read_rows(path, container)
        found = {line.number: line.raw[:KEPT] for line in every if line.number in lines}
    except BROKEN:
        return refused
    return [
        dataclasses.replace(row, raw=found[row.source_line]) if row.source_line in found else row
        for row in refused
    ]


def rebuild_raw(trace: Trace) -> bytes:
    """A row as its export may have spelled it: what it says of a field, and what it says beside."""
    (row,) = to_table(Trace, [trace]).to_pylist()
    hidden = ("source_format", "source_file", "source_line", "content_hash", "metadata", "turn")
    said = {
        key: getattr(trace, key)
        for key, value in row.items()
        if key not in hidden and value not in (None, "", "[]", "{}")
    }
    return encode_canonical({**trace.metadata, **said, "ts": trace.ts.isoformat()})
