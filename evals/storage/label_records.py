"""The stored labels and gold values: JSON lines, one file per batch.

Verdicts given one at a time are in `verdict_files`; what a label means is `evals.labels`'.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from evals.records import GoldValue, Json, Label
from evals.storage import verdict_files
from evals.storage.checksums import format_rows, read_lines, verify_checksum
from evals.storage.damage import detect_damage, report
from evals.storage.errors import DamagedFileError
from evals.storage.files import replace
from evals.storage.label_rows import ChangeRow, Row, encode_label, parse_label, select_votes
from evals.storage.lake import Lake, require_safe_name

LABELS, GOLD = "labels", "gold"

R = TypeVar("R")

ARRIVALS = "label_arrivals.json"
"""The document of when each batch arrived; those before it was kept have no entry."""


def write_labels(lake: Lake, labels: Sequence[Label], name: str) -> int:
    """Writes a batch of labels under its content's name; the same batch twice is one."""
    return write_rows(locate_batch(lake, LABELS, name), map(encode_label, labels))


def read_labels(lake: Lake) -> list[Label]:
    """Reads every label that counts, in the order of arrival; see `label_rows.select_votes`."""
    return select_votes(read_every_label(lake))


def read_every_label(lake: Lake) -> list[Label]:
    """Reads every label in the order of arrival: replaced, deferred and withdrawn ones, too."""
    return [label for batch in read_label_batches(lake).values() for label in batch]


def read_label_batches(lake: Lake) -> dict[str, list[Label]]:
    """Reads the labels of each batch by its name, in the order of arrival.

    Verdicts given one at a time follow, as one batch a day. A damaged batch is reported and left
    out; a run leaves out the nights that it is about.
    """
    batches: dict[str, list[Label]] = {}
    for path in list_batches(lake, LABELS):
        try:
            batches[path.stem] = read_batch(path, parse_label)
        except DamagedFileError as error:
            report(str(error))
    for path in verdict_files.list_verdict_files(lake):
        batches[f"reviewed-{path.stem}"] = [row.label for row in verdict_files.read_rows(path)]
    return batches


def read_batch(path: Path, parse: Callable[[dict[str, Any]], R]) -> list[R]:
    """Reads the labels or gold values of a file.

    Raises:
        DamagedFileError: it is damaged.
    """
    with detect_damage(path):
        return [parse(row) for row in read_rows(path)]


def parse_gold(row: dict[str, Any]) -> GoldValue:
    """Returns the gold value of a row that `encode_gold` made."""
    return GoldValue(**row)


def write_gold_values(lake: Lake, values: Sequence[GoldValue], name: str) -> int:
    """Writes a batch of gold values under its content's name."""
    return write_rows(locate_batch(lake, GOLD, name), map(encode_gold, values))


def read_gold_values(lake: Lake) -> list[GoldValue]:
    """Reads every gold value of single subjects, in the order of arrival."""
    values: list[GoldValue] = []
    for path in list_batches(lake, GOLD):
        try:
            values += read_batch(path, parse_gold)
        except DamagedFileError as error:
            report(str(error))
    return values


def change_label_rows(lake: Lake, folder: Literal["labels", "gold"], change: ChangeRow) -> int:
    """Changes rows of labels or gold values, or removes them (None); returns how many."""
    changed = 0
    for path in list_batches(lake, folder):
        before = list(read_rows(path))
        after = [change(row) for row in before]
        differing = sum(old != new for old, new in zip(before, after, strict=True))
        if differing:
            write_rows(path, [row for row in after if row is not None])
            changed += differing
    return changed + (verdict_files.change_rows(lake, change) if folder == LABELS else 0)


def locate_batch(lake: Lake, folder: str, name: str) -> Path:
    """Returns the path of a batch's file."""
    return lake.store.path(f"{folder}/{require_safe_name(name)}.jsonl")


def has_batch(lake: Lake, name: str) -> bool:
    """Whether a batch has a file of labels or of gold values."""
    return any(locate_batch(lake, folder, name).exists() for folder in (LABELS, GOLD))


def list_batch_files(lake: Lake) -> list[Path]:
    """Lists the files of labels and of gold values by name."""
    names = (*lake.store.list_names(f"{LABELS}/*.jsonl"), *lake.store.list_names(f"{GOLD}/*.jsonl"))
    return [lake.store.path(name) for name in names]


def list_batches(lake: Lake, folder: str) -> list[Path]:
    """Lists the files of all batches by arrival; those without a record of it come first, by name.

    Args:
        lake: has the batches.
        folder: `labels` or `gold`.
    """
    places = lake.read_document(ARRIVALS, parse_places) or {}
    paths = [lake.store.path(name) for name in lake.store.list_names(f"{folder}/*.jsonl")]
    return sorted(paths, key=lambda path: (places.get(path.stem, -1), path.name))


def parse_places(rows: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Returns the place of each batch in the order of arrival."""
    return {name: int(row["order"]) for name, row in rows.items()}


def encode_gold(value: GoldValue) -> Row:
    """Returns a gold value as the row of a file."""
    return dataclasses.asdict(value)


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Replaces a file by rows, one a line; returns how many."""
    every: list[Json] = list(rows)
    replace(path, format_rows(every))
    return len(every)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file.

    Raises:
        DamagedFileError: it is damaged.
    """
    with detect_damage(path):
        lines = verify_checksum(read_lines(path.read_bytes()))
        rows = [row for row in lines if type(row) is dict] if type(lines) is list else []
        if type(lines) is not list or len(rows) < len(lines):
            raise ValueError("expected objects")
    yield from rows
