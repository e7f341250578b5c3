"""Makes the record of inbox files again, and reads an export again whose rows are damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from evals.ingest.inbox import relative_name
from evals.ingest.staging import import_file
from evals.sources.pulls import find_app
from evals.specs import Catalog
from evals.storage.damage import explain_damage, report, set_aside
from evals.storage.documents.inbox_files import (
    NAME,
    InboxFile,
    add_inbox_files,
    read_inbox_files,
)
from evals.storage.documents.inbox_stamps import read_stamps
from evals.storage.documents.tombstones import read_tombstones
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.parquet_checksums import has_both_ends
from evals.storage.parquet_files import read_rows, stream_rows
from evals.storage.refused_rows import list_refused_files, locate_refused
from evals.traces.files.streams import file_sha


def mend_files(lake: Lake, catalog: Catalog) -> Iterator[str]:
    """Mends the record of inbox files and what was staged of each.

    Yields a sentence for each file whose rows cannot be read again.
    """
    restore_record(lake)
    for sha, paths in find_damaged(lake).items():
        yield from mend_file(lake, catalog, sha, paths)


def mend_file(lake: Lake, catalog: Catalog, sha: str, paths: Sequence[Path]) -> list[str]:
    """Reads an export again some of whose files are damaged.

    Returns:
        A sentence for each file that is lost, since the export is gone or is read otherwise now.
    """
    record = {row.sha256[:16]: row for row in read_inbox_files(lake).values()}.get(sha)
    original = find_original(lake, sha)
    if record is None or original is None:
        return [str(explain_damage(path)) for path in paths]
    sentences = [str(explain_damage(path)) for path in paths]
    for path in paths:
        if path.exists():
            set_aside(path, f"it is read again from {original.name}")
        else:
            report(f"{path} is missing; it is read again from {original.name}")
    return [] if import_again(lake, catalog, record, original) else sentences


def restore_record(lake: Lake) -> None:
    """Makes the record of inbox files again from the staged rows, if it is damaged or missing."""
    try:
        if read_inbox_files(lake):
            return
    except DamagedFileError:
        set_aside(lake.store.path(NAME), "it is made again from the rows that were read")
    shas = {path.stem.split(".")[0] for path in lake.list_files("staged")}
    found = [describe_file(lake, sha) for sha in {*shas, *list_refused_files(lake)}]
    if found and not lake.store.find_entry(NAME):
        report(f"{lake.store.path(NAME)} is made again from the rows that were read")
        ordered = sorted(found, key=lambda file: (file.seen, file.name))
        add_inbox_files(lake, (file._replace(order=n) for n, file in enumerate(ordered)))


def describe_file(lake: Lake, sha: str) -> InboxFile:
    """Describes an inbox file by its staged and refused rows."""
    names: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    apps: Counter[str] = Counter()
    nights: set[str] = set()
    times: list[float] = []
    for path in lake.list_files("staged"):
        if path.stem.split(".")[0] != sha:
            continue
        nights.add(path.parent.name[5:])
        times.append(path.stat().st_mtime)
        for rows in stream_rows(path, ("source_file", "source_format", "app")):
            names.update(row["source_file"] for row in rows)
            formats.update(row["source_format"] for row in rows)
            apps.update(row["app"] for row in rows)
    refused = read_rows(locate_refused(lake, sha)) if locate_refused(lake, sha).exists() else []
    names.update(row["source_file"] for row in refused)
    stamps = {stamp.sha256: stamp for stamp in read_stamps(lake).values()}
    known = next((full for full in stamps if full.startswith(sha)), sha)
    seen = datetime.fromtimestamp(min(times), UTC).isoformat() if times else ""
    return InboxFile(
        sha256=known,
        name=names.most_common(1)[0][0] if names else sha,
        format=formats.most_common(1)[0][0] if formats else "",
        size=stamps[known].size if known in stamps else 0,
        read=apps.total() + len(refused),
        refused=len(refused),
        nights=sorted(nights),
        seen=seen,
        apps=dict(apps),
    )


def find_damaged(lake: Lake) -> dict[str, list[Path]]:
    """Finds the damaged and missing files of staged and refused rows, by inbox file."""
    damaged: dict[str, list[Path]] = {}
    closed = read_tombstones(lake).nights
    by_night = {night: lake.list_files("staged", [night]) for night in lake.list_nights("staged")}
    refused = [locate_refused(lake, sha) for sha in list_refused_files(lake)]
    for path in (*(path for paths in by_night.values() for path in paths), *refused):
        if not has_both_ends(path):
            damaged.setdefault(path.stem.split(".")[0], []).append(path)
    for record in read_inbox_files(lake).values():
        sha = record.sha256[:16]
        for night in map(date.fromisoformat, record.nights):
            own = [p for p in by_night.get(night, []) if p.stem.split(".")[0] == sha]
            if not own and night not in closed:
                missing = lake.locate_partition("staged", night) / f"{sha}.parquet"
                damaged.setdefault(sha, []).append(missing)
        if record.refused and not locate_refused(lake, sha).exists():
            damaged.setdefault(sha, []).append(locate_refused(lake, sha))
    return damaged


def find_original(lake: Lake, sha: str) -> Path | None:
    """Returns the export that was read, if an inbox still has it unchanged."""
    for name, stamp in sorted(read_stamps(lake).items()):
        path = Path(name)
        if stamp.sha256.startswith(sha) and path.is_file() and file_sha(path) == stamp.sha256:
            return path
    return None


def import_again(lake: Lake, catalog: Catalog, record: InboxFile, path: Path) -> bool:
    """Stages an export again in its place; returns whether as many rows came as before."""
    seen = import_file(
        lake,
        catalog,
        path,
        now=datetime.fromisoformat(record.seen) if record.seen else None,
        app=find_app(lake, path),
        place=record.place or relative_name(None, path),
    )
    add_inbox_files(lake, [seen._replace(order=record.order, seen=record.seen)])
    return (seen.read, seen.refused) == (record.read, record.refused)
