"""The files that a night needs and that cannot be made again: whether each can be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from evals.repair.inbox_record import mend_file
from evals.repair.label_record import find_emptied
from evals.runs.night_locks import explain_pending, list_answer_versions
from evals.specs import Catalog
from evals.storage.damage import explain_damage
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.label_batches import read_batch_nights
from evals.storage.documents.tombstones import read_tombstones
from evals.storage.documents.topic_models import list_model_names, read_model
from evals.storage.errors import DamagedFileError
from evals.storage.label_records import GOLD, LABELS, read_rows
from evals.storage.lake import Lake
from evals.storage.night_state import DAY
from evals.storage.parquet_files import verify_files
from evals.storage.refused_rows import locate_refused
from evals.storage.verdict_files import (
    is_verdict_file,
    list_verdict_files,
    read_whole_file,
)
from evals.storage.verdict_files import (
    read_rows as read_verdict_rows,
)


def find_lost(lake: Lake, catalog: Catalog, night: date, *, only_due: bool = True) -> list[str]:
    """Returns a sentence for each damaged file that a night needs, which only due ones do."""
    try:
        if only_due and explain_pending(lake, catalog, night) is None:
            return []
    except DamagedFileError as error:
        return [str(error)]
    lost = [str(explain_damage(path)) for path in find_emptied(lake, night)]
    lost += find_damaged_models(lake, night)
    for path in list_needed(lake, night):
        try:
            read_whole(path)
        except DamagedFileError as error:
            is_of_export = path.parent.parent.name == "staged" or path.parent.name == "files"
            sha = path.stem.split(".")[0]
            lost += mend_file(lake, catalog, sha, [path]) if is_of_export else [str(error)]
    return lost


def find_damaged_models(lake: Lake, night: date) -> list[str]:
    """Returns a sentence for each damaged topic model of a night's applications."""
    records = [r for r in read_inbox_files(lake).values() if night.isoformat() in r.nights]
    apps = {app for record in records for app in record.apps}
    lost: list[str] = []
    for name in (name for app in sorted(apps) for name in list_model_names(lake, app)):
        try:
            read_model(lake, name)
        except DamagedFileError as error:
            lost.append(str(error))
    return lost


def read_whole(path: Path) -> None:
    """Reads a file of rows.

    Raises:
        DamagedFileError: it is damaged or missing.
    """
    if not path.exists():
        raise explain_damage(path)
    if is_verdict_file(path):
        read_whole_file(path)
    elif path.suffix == ".jsonl":
        list(read_rows(path))
    else:
        verify_files([path])


def list_needed(lake: Lake, night: date) -> Iterator[Path]:
    """Yields the files a night needs: its exports' rows, its paid answers, and its labels."""
    yield from lake.list_files("staged", [night, night + DAY])
    yield from list_missing(lake, night)
    for version in sorted(list_answer_versions(lake, night)):
        path = lake.locate_partition("answers", night) / f"{version}.parquet"
        yield from [path] if path.exists() else []
    for name, nights in read_batch_nights(lake).items():
        if night in nights:
            files = [lake.store.path(f"{folder}/{name}.jsonl") for folder in (LABELS, GOLD)]
            yield from [path for path in files if path.exists()] or files[:1]
    for path in list_verdict_files(lake):
        if any(night in row.nights for row in read_verdict_rows(path)):
            yield path


def list_missing(lake: Lake, night: date) -> Iterator[Path]:
    """Yields the files of rows of a night that the record of inbox files names and are missing."""
    if night in read_tombstones(lake).nights:
        return
    staged = {path.stem.split(".")[0] for path in lake.list_files("staged", [night])}
    for record in read_inbox_files(lake).values():
        if night.isoformat() in record.nights and record.sha256[:16] not in staged:
            yield lake.locate_partition("staged", night) / f"{record.sha256[:16]}.parquet"
        refused = locate_refused(lake, record.sha256[:16])
        if night.isoformat() in record.nights and record.refused:
            yield refused
