"""Quarantined rows read again under the catalog of today; those that now pass take their place.

A row is read from its export where that is still there, else from the bytes that were kept. It
leaves quarantine as it enters its night, so that it is counted once.
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
from evals.ingest.timestamp_limits import check_timestamp
from evals.privacy.redaction import PrivacyFilter
from evals.records import Refusal, Trace
from evals.specs import Catalog
from evals.storage.documents.inbox_stamps import read_stamps
from evals.storage.files import replace, write_parquet
from evals.storage.lake import Lake
from evals.storage.night_state import DAY, update_state
from evals.storage.refused_rows import read_refused, write_refused
from evals.storage.tables import InboxFile, to_table
from evals.traces import reader
from evals.traces.files.streams import KEPT, Line, file_sha
from evals.traces.reader import Reading
from evals.traces.rows import mapping
from evals.traces.rows.canonical import read_row
from evals.validation import admission
from evals.validation.quarantine import read_refusals


class ReplayResult(NamedTuple):
    """What became of one file's rows in quarantine."""

    file: str
    tried: int
    placed: int
    """Rows that are not refused any more; their nights are due again."""
    nights: list[str]
    why: dict[str, int]
    """The reasons of those that are still refused, counted."""
    gone: int = 0
    """Rows whose export is gone and whose bytes were not all kept."""


class ReplayedRow(NamedTuple):
    """A row read again, beside its refusal."""

    before: Refusal
    after: Trace | Refusal


def replay_quarantine(
    lake: Lake, catalog: Catalog, *, file: str | None = None, code: str | None = None
) -> list[ReplayResult]:
    """Reads quarantined rows again, of one file or one reason where that is given.

    Rows that only a check of before refused are not read again: their nights are validated anew.
    """
    known = {row.sha256[:16]: row for row in lake.inbox_files().values()}
    held: dict[str, list[Refusal]] = defaultdict(list)
    for row in read_refusals(lake):
        wanted = (file is None or row.source_file == file) and (code is None or row.code == code)
        if wanted and row.source_line and row.file_sha in known:
            held[row.file_sha].append(row)
    validated = {row.night for rows in held.values() for row in rows if row.night}
    admission.admit_nights(lake, catalog, sorted(validated.intersection(lake.nights("quarantine"))))
    still = {row_key(row): row for row in read_refusals(lake)}
    told = []
    for sha, rows in sorted(held.items()):
        refused = [still[row_key(row)] for row in rows if row_key(row) in still]
        passed = [row for row in rows if row_key(row) not in still]
        read_anew = list(reread_rows(lake, catalog, known[sha], refused)) if refused else []
        one = stage_rows(lake, catalog, known[sha], read_anew)
        told.append(
            one._replace(
                tried=len(rows),
                placed=one.placed + len(passed),
                nights=sorted({*one.nights, *(f"{row.night}" for row in passed)}),
                gone=len(refused) - len(read_anew),
            )
        )
    return told


def row_key(row: Refusal) -> tuple[str, int, str | None]:
    """What a refused row is known by, whatever it is refused for."""
    return row.file_sha, row.source_line, row.trace_id


def reread_rows(
    lake: Lake, catalog: Catalog, seen: InboxFile, rows: Sequence[Refusal]
) -> Iterator[ReplayedRow]:
    """The rows as today's catalog reads them."""
    door, by_line = PrivacyFilter.load(lake, catalog), {row.source_line: row for row in rows}
    original = find_original(lake, seen)
    found = read_file(catalog, original) if original else read_kept_bytes(lake, catalog, seen, rows)
    for item in found:
        before = by_line.get(item.source_line)
        if before is None:
            continue
        after = door.filter_row(item)
        if isinstance(after, Trace) and isinstance(item, Trace):
            after = dataclasses.replace(after, content_hash=hash_trace(item, door.key))
            if rebuild_raw(after)[:KEPT] == before.raw:
                after = before  # nothing about it has changed
            after = check_timestamp(after, datetime.fromisoformat(seen.seen) if seen.seen else None)
        yield ReplayedRow(before, after)


def find_original(lake: Lake, seen: InboxFile) -> Path | None:
    """The file the rows came from, where it still lies in an inbox as it was."""
    for name, stamp in sorted(read_stamps(lake).items()):
        path = Path(name)
        if stamp.sha256 == seen.sha256 and path.is_file() and file_sha(path) == seen.sha256:
            return path
    return None


def read_file(catalog: Catalog, path: Path) -> Iterator[Trace | Refusal]:
    """A file's rows."""
    found = reader.read_file(path, mappings=catalog.mappings, day_begins=catalog.day_begins)
    return (row for row in found if isinstance(row, Trace | Refusal))


def read_kept_bytes(
    lake: Lake, catalog: Catalog, seen: InboxFile, rows: Sequence[Refusal]
) -> Iterator[Trace | Refusal]:
    """The rows from the bytes that were kept of them, each under its own line again."""
    whole = [row for row in rows if row.raw.strip() and len(row.raw) < KEPT]
    lines = [row.raw.replace(b"\n", b" ") for row in whole]
    if seen.format in ("csv", "parquet"):  # whose cells are text where others have numbers
        reading = Reading(
            seen.name, mapping.make_plans(catalog.mappings, None), day_begins=catalog.day_begins,
            table=True,
        )  # fmt: skip
        found = (
            read_row(Line(number, raw), reading, seen.format) for number, raw in enumerate(lines, 1)
        )
        yield from restore_positions(whole, found)
        return
    with lake.temporary_folder() as folder:
        path = folder / "replayed.jsonl"
        replace(path, b"\n".join(lines))
        yield from restore_positions(whole, read_file(catalog, path))


def restore_positions(
    rows: Sequence[Refusal], found: Iterable[Trace | Refusal]
) -> Iterator[Trace | Refusal]:
    """What was read of some rows, each under the file and line it came from."""
    for item in found:
        before = rows[item.source_line - 1]
        told = {"source_file": before.source_file, "source_line": before.source_line}
        yield dataclasses.replace(item, **told)


def stage_rows(
    lake: Lake, catalog: Catalog, seen: InboxFile, rows: Sequence[ReplayedRow]
) -> ReplayResult:
    """Stages the rows that are traces now, and takes them out of where they were."""
    placed = [row for row in rows if isinstance(row.after, Trace)]
    traces = [row.after for row in placed if isinstance(row.after, Trace)]
    why: dict[str, int] = defaultdict(int)
    for row in rows:
        if isinstance(row.after, Refusal):
            why[row.after.code] += 1
    nights: set[date] = set()
    if traces:
        sha = seen.sha256[:16]
        taken_out = remove_staged(lake, sha, [row.before for row in placed])
        name = f"{sha}.r{next_file_number(lake, sha)}"
        with NightFiles(lake, name, timedelta(hours=catalog.day_begins)) as staged:
            staged.add(to_table(Trace, traces))
        nights = {*staged.rows, *taken_out}
        unreadable = len(remove_unreadable(lake, sha, {row.before.source_line for row in placed}))
        touched = sorted({*seen.nights, *(night.isoformat() for night in staged.rows)})
        lake.record_files([seen._replace(refused=unreadable, nights=touched)])
        record_carried(lake, nights)
        for night in {row.before.night for row in placed if row.before.night} | taken_out:
            update_state(lake, night, admitted="")  # due again, though it got no file
    told = sorted(night.isoformat() for night in nights)
    return ReplayResult(seen.name, len(rows), len(placed), told, dict(sorted(why.items())))


def remove_staged(lake: Lake, sha: str, rows: Sequence[Refusal]) -> set[date]:
    """Takes rows that were refused at validation out of the staged files; the nights they left."""
    import numpy as np
    import pyarrow.parquet as pq

    lines = sorted({row.source_line for row in rows})
    near = {night for row in rows if row.night for night in (row.night, row.night + DAY)}
    left = set()
    for path in lake.files("staged", sorted(near)):
        if not path.name.startswith(sha):
            continue
        table = pq.read_table(path)
        gone = np.isin(table["source_line"].to_numpy(), lines)
        if gone.any():
            name = f"{sha}.w{next_file_number(lake, sha)}.parquet"
            write_parquet(path.with_name(name), table.filter(~gone))
            path.unlink()
            left.add(date.fromisoformat(path.parent.name[5:]))
    return left


def next_file_number(lake: Lake, sha: str) -> int:
    """How many staged files an inbox file has, for the name of one more."""
    names = [path.name for path in lake.files("staged") if path.name.startswith(sha)]
    taken = {part for name in names for part in name.split(".")}
    return next(n for n in itertools.count(1) if not taken & {f"w{n}", f"r{n}"})


def remove_unreadable(lake: Lake, sha: str, placed: set[int]) -> list[Refusal]:
    """The file's rows that could not be read as traces, without those that now are."""
    held = read_refused(lake, sha)
    kept = [row for row in held if row.source_line not in placed]
    if len(kept) < len(held):
        write_refused(lake, sha, kept)
    return kept
