"""Replays quarantined rows with the current catalog and stages those that now pass.

A row is read from its export if that still exists, else from its stored bytes. It leaves
quarantine when it enters its night, so that it is counted once.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from evals.ingest.identity import hash_trace
from evals.ingest.night_files import NightFiles
from evals.ingest.raw_rows import rebuild_raw
from evals.ingest.sessions import record_carried
from evals.ingest.timestamp_limits import TIMESTAMP_CODES, check_timestamp
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Refusal, Trace
from evals.specs import Catalog
from evals.storage.documents.inbox_files import InboxFile, add_inbox_files, read_inbox_files
from evals.storage.documents.inbox_stamps import read_stamps
from evals.storage.files import replace
from evals.storage.lake import Lake
from evals.storage.night_state import DAY, update_state
from evals.storage.parquet_files import verify_files, write_parquet
from evals.storage.record_tables import to_table
from evals.storage.refused_rows import read_refused, write_refused
from evals.storage.scratch import open_temporary_folder
from evals.traces import reader
from evals.traces.files.streams import MAX_STORED, Line, file_sha
from evals.traces.reader import Reading
from evals.traces.rows import mapping
from evals.traces.rows.canonical import read_row
from evals.validation import admission
from evals.validation.quarantine import read_refusals


class ReplayResult(NamedTuple):
    """The result of replaying one file's rows."""

    file: str
    tried: int
    placed: int
    """Rows that are not refused any more; their nights are due again."""
    nights: list[str]
    why: dict[str, int]
    """Rows that are still refused, by reason code."""
    gone: int = 0
    """Rows whose export is gone and whose stored bytes are cut."""


class ReplayedRow(NamedTuple):
    """A row read again, beside its refusal."""

    before: Refusal
    after: Trace | Refusal


def replay_quarantine(
    lake: Lake,
    catalog: Catalog,
    *,
    file: str | None = None,
    code: str | None = None,
    now: datetime | None = None,
) -> list[ReplayResult]:
    """Replays quarantined rows, or only those of one file or with one reason code.

    Rows that a check refused are not read again: their nights are validated again.

    Args:
        lake: the home.
        catalog: how rows are read now.
        file: the name of a file.
        code: a reason code.
        now: the present, by which a timestamp is in the future; None: when the file was read.
    """
    files_by_sha = {row.sha256[:16]: row for row in read_inbox_files(lake).values()}
    by_file: dict[str, list[Refusal]] = defaultdict(list)
    for row in read_refusals(lake):
        wanted = (file is None or row.source_file == file) and (code is None or row.code == code)
        if wanted and row.source_line and row.file_sha in files_by_sha:
            by_file[row.file_sha].append(row)
    validated = {row.night for rows in by_file.values() for row in rows if row.night}
    admission.admit_nights(
        lake, catalog, sorted(validated.intersection(lake.list_nights("quarantine")))
    )
    still = {build_row_key(row): row for row in read_refusals(lake)}
    results: list[ReplayResult] = []
    for sha, rows in sorted(by_file.items()):
        refused = [still[build_row_key(row)] for row in rows if build_row_key(row) in still]
        passed = [row for row in rows if build_row_key(row) not in still]
        sha_file = files_by_sha[sha]
        read_anew = list(reread_rows(lake, catalog, sha_file, refused, now)) if refused else []
        staged = stage_rows(lake, catalog, sha_file, read_anew)
        results.append(
            staged._replace(
                tried=len(rows),
                placed=staged.placed + len(passed),
                nights=sorted({*staged.nights, *(f"{row.night}" for row in passed)}),
                gone=len(refused) - len(read_anew),
            )
        )
    return results


def build_row_key(row: Refusal) -> tuple[str, int, str | None]:
    """Returns the identity of a refused row, independent of its reason."""
    return row.file_sha, row.source_line, row.trace_id


def reread_rows(
    lake: Lake,
    catalog: Catalog,
    seen: InboxFile,
    rows: Sequence[Refusal],
    now: datetime | None = None,
) -> Iterator[ReplayedRow]:
    """Yields the rows as the current catalog reads them, and the present clock judges them.

    The clock may have been slow when the file was read: only a later time is more trustworthy.
    """
    read_at = datetime.fromisoformat(seen.seen) if seen.seen else None
    judged_at = max(read_at, now) if read_at and now else read_at
    privacy, by_line = PrivacyFilter.load(lake, catalog), {row.source_line: row for row in rows}
    original = find_original(lake, seen)
    stored = read_stored_bytes(lake, catalog, seen, rows)
    for item in read_file(catalog, original) if original else stored:
        before = by_line.get(item.source_line)
        if before is None:
            continue
        after = privacy.filter_row(item)
        if isinstance(after, Trace) and isinstance(item, Trace):
            after = dataclasses.replace(after, content_hash=hash_trace(item, privacy.key))
            is_same = rebuild_raw(after)[:MAX_STORED] == before.raw
            if is_same and before.code not in TIMESTAMP_CODES:
                after = before  # the catalog reads it as before
            after = check_timestamp(after, judged_at)
        yield ReplayedRow(before, after)


def find_original(lake: Lake, seen: InboxFile) -> Path | None:
    """Returns the file the rows came from, if an inbox still has it unchanged."""
    for name, stamp in sorted(read_stamps(lake).items()):
        path = Path(name)
        if stamp.sha256 == seen.sha256 and path.is_file() and file_sha(path) == seen.sha256:
            return path
    return None


def read_file(catalog: Catalog, path: Path) -> Iterator[Trace | Refusal]:
    """Yields a file's rows."""
    rows = reader.read_file(path, mappings=catalog.mappings, day_begins=catalog.day_begins)
    return (row for row in rows if isinstance(row, Trace | Refusal))


def read_stored_bytes(
    lake: Lake, catalog: Catalog, seen: InboxFile, rows: Sequence[Refusal]
) -> Iterator[Trace | Refusal]:
    """Yields the rows read from their stored bytes, each under its own line."""
    whole = [row for row in rows if row.raw.strip() and len(row.raw) < MAX_STORED]
    lines = [row.raw.replace(b"\n", b" ") for row in whole]
    if seen.format in (
        "csv",
        "parquet",
    ):  # their cells may be text where other formats have numbers
        reading = Reading(
            seen.name, mapping.make_plans(catalog.mappings, None), day_begins=catalog.day_begins,
            table=True,
        )  # fmt: skip
        replayed = (
            row
            for number, raw in enumerate(lines, 1)
            for row in read_row(Line(number, raw), reading, seen.format)
        )
        yield from restore_positions(whole, replayed)
        return
    with open_temporary_folder(lake) as folder:
        path = folder / "replayed.jsonl"
        replace(path, b"\n".join(lines))
        yield from restore_positions(whole, read_file(catalog, path))


def restore_positions(
    rows: Sequence[Refusal], replayed: Iterable[Trace | Refusal]
) -> Iterator[Trace | Refusal]:
    """Yields replayed rows with the file and line they came from."""
    for item in replayed:
        before = rows[item.source_line - 1]
        yield dataclasses.replace(
            item, source_file=before.source_file, source_line=before.source_line
        )


def stage_rows(
    lake: Lake, catalog: Catalog, seen: InboxFile, rows: Sequence[ReplayedRow]
) -> ReplayResult:
    """Stages the rows that are now traces and removes them from where they were."""
    placed = [row for row in rows if isinstance(row.after, Trace)]
    traces = [row.after for row in placed if isinstance(row.after, Trace)]
    why: dict[str, int] = defaultdict(int)
    for row in rows:
        if isinstance(row.after, Refusal):
            why[row.after.code] += 1
    nights: set[date] = set()
    if traces:
        sha = seen.sha256[:16]
        left = remove_staged(lake, sha, [row.before for row in placed])
        name = f"{sha}.r{next_file_number(lake, sha)}"
        with NightFiles(lake, name, timedelta(hours=catalog.day_begins)) as staged:
            staged.add(to_table(Trace, traces))
        nights = {*staged.rows, *left}
        unreadable = len(remove_unreadable(lake, sha, {row.before.source_line for row in placed}))
        touched = sorted({*seen.nights, *(night.isoformat() for night in staged.rows)})
        add_inbox_files(lake, [seen._replace(refused=unreadable, nights=touched)])
        record_carried(lake, nights)
        for night in {row.before.night for row in placed if row.before.night} | left:
            update_state(lake, night, admitted="")  # due again, though no file was added to it
    names = sorted(night.isoformat() for night in nights)
    return ReplayResult(seen.name, len(rows), len(placed), names, dict(sorted(why.items())))


def remove_staged(lake: Lake, sha: str, rows: Sequence[Refusal]) -> set[date]:
    """Removes rows that validation refused from the staged files; returns the nights they left."""
    import numpy as np
    import pyarrow.parquet as pq

    lines = sorted({row.source_line for row in rows})
    near = {night for row in rows if row.night for night in (row.night, row.night + DAY)}
    left: set[date] = set()
    for path in lake.list_files("staged", sorted(near)):
        if not path.name.startswith(sha):
            continue
        verify_files([path])
        table = pq.read_table(path)  # pyright: ignore[reportUnknownMemberType]  # a stub's gap
        gone = np.isin(table["source_line"].to_numpy(), lines)
        if gone.any():
            name = f"{sha}.w{next_file_number(lake, sha)}.parquet"
            write_parquet(path.with_name(name), table.filter(~gone))
            path.unlink()
            left.add(date.fromisoformat(path.parent.name[5:]))
    return left


def next_file_number(lake: Lake, sha: str) -> int:
    """Returns the first free number for another staged file of an inbox file."""
    names = [path.name for path in lake.list_files("staged") if path.name.startswith(sha)]
    taken = {part for name in names for part in name.split(".")}
    return next(n for n in itertools.count(1) if not taken & {f"w{n}", f"r{n}"})


def remove_unreadable(lake: Lake, sha: str, placed: set[int]) -> list[Refusal]:
    """Removes placed rows from a file's unreadable ones; returns those that remain."""
    unreadable = read_refused(lake, sha)
    remaining = [row for row in unreadable if row.source_line not in placed]
    if len(remaining) < len(unreadable):
        write_refused(lake, sha, remaining)
    return remaining
