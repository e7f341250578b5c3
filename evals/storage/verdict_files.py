"""The verdicts that people give one at a time: an append-only file a day, a line for each.

A verdict is one durable write under a lock, and each line has its own checksum: two writers, or a
killed one, lose and mix nothing. Files of labels that are imported are `label_records`'.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.records import Json, Label
from evals.storage.appending import append_durably
from evals.storage.checksums import format_line, format_lines, verify_checksum
from evals.storage.damage import READING_ERRORS, explain_damage, report
from evals.storage.files import replace
from evals.storage.label_rows import ChangeRow, Row, encode_label, parse_label
from evals.storage.lake import Lake

FOLDER = "labels/reviewed"
LOCK = "verdicts"
"""The lock that whoever appends to a file, or replaces one, holds."""


class VerdictRow(NamedTuple):
    """A label as it was recorded."""

    label: Label
    app: str
    nights: tuple[date, ...]
    """The nights that it changes, which are due again."""


class VerdictLines(NamedTuple):
    """The lines of a file."""

    rows: tuple[VerdictRow, ...]
    damaged: tuple[int, ...] = ()
    """The numbers of the lines that were changed by something else."""


def append_verdict(lake: Lake, day: date, row: VerdictRow) -> None:
    """Appends a verdict to the file of a day; the caller holds the lock.

    Raises:
        OSError: it was not stored, as on a full disk; nothing else is lost.
    """
    append_durably(lake.store.path(f"{FOLDER}/{day.isoformat()}.jsonl"), encode_row(row))


def encode_row(row: VerdictRow) -> bytes:
    """Returns a verdict as a line with its checksum."""
    return format_line(encode_entry(row, encode_label(row.label)))


def list_verdict_files(lake: Lake) -> list[Path]:
    """Lists the files, the oldest day first."""
    return [lake.store.path(name) for name in lake.store.list_names(f"{FOLDER}/*.jsonl")]


def is_verdict_file(path: Path) -> bool:
    """Whether a file has verdicts with a checksum in each line."""
    return path.suffix == ".jsonl" and path.parent.as_posix().endswith(FOLDER)


def read_verdicts(lake: Lake) -> list[VerdictRow]:
    """Reads every verdict in the order in which they were given."""
    return [row for path in list_verdict_files(lake) for row in read_rows(path)]


def read_rows(path: Path) -> tuple[VerdictRow, ...]:
    """Reads a file's verdicts; a damaged line is reported and left out."""
    lines = read_lines(path)
    for number in lines.damaged:
        report(f"{path}:{number}: is damaged; one label is lost; restore the line from a backup")
    return lines.rows


def read_whole_file(path: Path) -> None:
    """Reads a file to check it; a half line at its end is no damage.

    Raises:
        DamagedFileError: a line is damaged.
    """
    if read_lines(path).damaged:
        raise explain_damage(path)


def read_lines(path: Path) -> VerdictLines:
    """Reads the lines of a file, once while it does not change."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return VerdictLines(())
    return read_lines_as_of(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def read_lines_as_of(path: Path, inode: int, size: int, changed_ns: int) -> VerdictLines:
    """Reads the first `size` bytes of a version of a file: lines that come later are not read."""
    *whole, _ = path.read_bytes()[:size].split(b"\n")  # a half line was never acknowledged
    rows: list[VerdictRow] = []
    damaged: list[int] = []
    for number, line in enumerate(whole, 1):
        try:
            rows.append(parse_row(line))
        except READING_ERRORS:
            damaged.append(number)
    return VerdictLines(tuple(rows), tuple(damaged))


def parse_row(line: bytes) -> VerdictRow:
    """Returns the verdict of a line.

    Raises:
        ValueError: it is damaged; so do other errors of reading.
    """
    marked = json.loads(line)
    row = verify_checksum(marked)
    if row is marked:
        raise ValueError("expected a checksum")
    nights = tuple(map(date.fromisoformat, marked["nights"]))
    return VerdictRow(parse_label(marked["label"]), marked["app"], nights)


def list_verdict_ids(lake: Lake, night: date) -> list[str]:
    """Lists the ids of the verdicts that change a night, sorted."""
    return sorted(row.label.id for row in read_verdicts(lake) if night in row.nights)


def change_rows(lake: Lake, change: ChangeRow) -> int:
    """Changes rows of labels, or removes them (None); returns how many. Damaged lines go, too."""
    changed = 0
    with lake.lock(LOCK):
        for path in list_verdict_files(lake):
            before = read_lines(path).rows
            after = list(change_labels(before, change))
            labels = [encode_label(row.label) for row in before]
            differing = sum(old != new for old, (_, new) in zip(labels, after, strict=True))
            if differing:
                rest: list[Json] = [encode_entry(row, new) for row, new in after if new]
                replace(path, format_lines(rest))
                changed += differing
    return changed


def change_labels(
    rows: Collection[VerdictRow], change: ChangeRow
) -> Iterator[tuple[VerdictRow, Row | None]]:
    """Yields each verdict with its label's row as it is to be; None: it is removed."""
    for row in rows:
        yield row, change(encode_label(row.label))


def encode_entry(row: VerdictRow, label: Row) -> dict[str, Json]:
    """Returns a verdict as an object, with a row of its label."""
    nights: list[Json] = [night.isoformat() for night in row.nights]
    return {"label": label, "app": row.app, "nights": nights}
