"""Makes the records of label batches again, and finds batches that are damaged or missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from evals.labels.staged_subjects import find_touched_nights
from evals.specs import Catalog
from evals.storage.damage import explain_damage, report, set_aside
from evals.storage.documents import label_batches
from evals.storage.documents.label_batches import Arrival
from evals.storage.documents.tombstones import read_tombstones
from evals.storage.errors import DamagedFileError
from evals.storage.label_records import ARRIVALS, LABELS, list_batch_files, read_rows
from evals.storage.lake import Lake
from evals.traces.files.streams import file_sha


def mend_labels(lake: Lake, catalog: Catalog) -> Iterator[str]:
    """Mends the records of label batches; yields a sentence for each batch that is lost.

    A batch whose file the catalog still has is added again by the import that follows.
    """
    restore_arrivals(lake)
    restore_batches(lake)
    declared = {file_sha(path)[:16] for path in catalog.label_files if path.is_file()}
    again: list[str] = []
    for path in find_damaged_batches(lake):
        if path.stem not in declared:
            yield str(explain_damage(path))
            continue
        if path.exists():
            set_aside(path, "its labels are read again from the catalog's file")
        else:
            report(f"{path} is missing; its labels are read again from the catalog's file")
        again.append(path.stem)
    if again:
        label_batches.drop_label_batches(lake, again)


def restore_arrivals(lake: Lake) -> None:
    """Makes the order of arrival again from the times of the batches' files."""
    files = sorted(list_batch_files(lake), key=lambda path: (path.stat().st_mtime_ns, path.stem))
    try:
        if label_batches.read_arrivals(lake) or not files:
            return
        if not label_batches.read_batch_nights(lake):
            return
        report(f"{lake.store.path(ARRIVALS)} is missing; it is made again from the files' times")
    except DamagedFileError as error:
        if error.path.name != ARRIVALS:
            return
        set_aside(error.path, "the order of labels is made again from the files' times")
    arrivals: dict[str, Arrival] = {}
    for path in files:
        time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        arrivals.setdefault(path.stem, Arrival(len(arrivals), time))
    label_batches.write_arrivals(lake, arrivals)


def restore_batches(lake: Lake) -> None:
    """Makes the record of the nights that each batch is about again."""
    try:
        known = set(label_batches.read_batch_nights(lake))
    except DamagedFileError as error:
        set_aside(error.path, "it is made again from the labels")
        known = set[str]()
    unknown = [path for path in list_batch_files(lake) if path.stem not in known]
    ids: dict[str, set[str]] = {}
    for path in unknown:
        try:
            ids.setdefault(path.stem, set()).update(row["subject_id"] for row in read_rows(path))
        except (DamagedFileError, KeyError):
            continue
    if ids:
        batches = "a batch" if len(ids) == 1 else f"{len(ids):,} batches"
        report(f"the nights of {batches} of labels are found again from the labels")
        touched = {name: find_touched_nights(lake, own) for name, own in ids.items()}
        label_batches.add_label_batches(lake, touched)


def find_damaged_batches(lake: Lake) -> Iterator[Path]:
    """Yields the files of batches that cannot be read, are missing, or have lost every row."""
    files = list_batch_files(lake)
    present = {path.stem for path in files}
    for path in files:
        try:
            list(read_rows(path))
        except DamagedFileError:
            yield path
    for name, nights in label_batches.read_batch_nights(lake).items():
        if nights and name not in present:
            yield lake.store.path(f"{LABELS}/{name}.jsonl")
    yield from find_emptied(lake)


def find_emptied(lake: Lake, night: date | None = None) -> Iterator[Path]:
    """Yields the empty files of batches that are about nights, or about one.

    Only a file of an older version may be empty: the others end with a checksum. An erasure may
    have emptied it, so that where there was one nothing can be concluded.
    """
    forgotten = read_tombstones(lake)
    if forgotten.traces or forgotten.users:
        return
    sizes: dict[str, dict[Path, int]] = {}
    for path in list_batch_files(lake):
        sizes.setdefault(path.stem, {})[path] = path.stat().st_size
    for name, nights in label_batches.read_batch_nights(lake).items():
        own = sizes.get(name, {})
        if nights and night in (None, *nights) and own and not any(own.values()):
            yield next(iter(own))
