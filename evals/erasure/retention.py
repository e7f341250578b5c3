"""What is kept how long: raw rows for days, texts for months, figures for ever.

A person's wish is `forget`'s; here only time decides.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.ingest.inbox import list_inbox
from evals.privacy import scrubbing
from evals.records import digest
from evals.reports import redact_text
from evals.specs import Catalog
from evals.storage import id_index
from evals.storage.documents.emptied_files import add_emptied, mark_of, read_emptied
from evals.storage.documents.review_queues import delete_review_queue
from evals.storage.documents.tombstones import add_closed_nights
from evals.storage.label_records import change_rows
from evals.storage.lake import Lake
from evals.storage.refused_rows import refused_tables
from evals.traces.files.streams import file_sha

MARK = "[expired]"
NIGHTLY_TABLES = ("staged", "traces", "quarantine")
"""Tables that hold text by the night: their night goes whole."""
TEXT_COLUMNS = ("explanation", "text", "note")
"""Columns that say something in words; everything beside them is a figure or a name."""


@dataclasses.dataclass(frozen=True)
class Expired:
    """What the rule no longer keeps."""

    raw: tuple[Path, ...] = ()
    """Files of the raw room that were read."""
    refused: tuple[Path, ...] = ()
    """Files of quarantine whose bytes go; their reasons stay."""
    nights: tuple[date, ...] = ()
    """Nights whose texts go."""

    def __bool__(self) -> bool:
        return bool(self.raw or self.refused or self.nights)


def find_expired(lake: Lake, catalog: Catalog, now: datetime) -> Expired:
    """What has outlived the catalog's retention; looks at names and times alone."""
    rule = catalog.retention
    raw = now - timedelta(days=rule.raw_days)
    known = lake.inbox_files()
    aged = [path for path in list_inbox(lake.raw_folder()) if modified_at(path) < raw]
    refused = [path for path in refused_tables(lake) if modified_at(path) < raw]
    emptied = read_emptied(lake)
    return Expired(
        tuple(path for path in aged if file_sha(path) in known),
        tuple(path for path in refused if mark_of(lake, path) not in emptied),
        tuple(find_expired_nights(lake, now - timedelta(days=rule.traces_days))),
    )


def find_expired_nights(lake: Lake, before: datetime) -> Iterator[date]:
    """Nights that are over for so long, and were staged as long ago: a history just read is not."""
    for night in sorted({*lake.nights("staged"), *lake.nights("traces")}):
        files = lake.files("staged", [night]) + lake.files("traces", [night])
        begun = datetime(night.year, night.month, night.day, tzinfo=UTC)
        if begun < before and all(modified_at(path) < before for path in files):
            yield night


def modified_at(path: Path) -> datetime:
    """When a file was last written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def delete_expired(lake: Lake, found: Expired) -> dict[str, int]:
    """Lets go of what is old; repeated, it finds nothing. Needs the home for itself.

    Returns:
        How much went, by kind.
    """
    done: Counter[str] = Counter()
    with lake.used(alone=True):
        for path in found.raw:
            path.unlink(missing_ok=True)
            done["raw files"] += 1
        done["refused rows"] = empty_refused(lake, found.refused)
        if found.nights:
            close_nights(lake, found.nights)
            done["nights"] = len(found.nights)
            traces = list_traces(lake, found.nights)
            done["answers"] = retire_answers(lake, found.nights)
            done["rows"] = redact_tables(lake, found.nights)
            done["reports"] = len(
                redact_text.redact_reports(lake, lambda one: one.trace_id in traces, MARK)
            )
            done["labels"] = redact_notes(lake, traces)
            for night in found.nights:
                delete_night(lake, night)
    return dict(done)


def delete_night(lake: Lake, night: date) -> None:
    """Removes a night's rows and its review queue; last, for all else is found by them."""
    delete_review_queue(lake, night)
    for index in (lake.home / id_index.FOLDER).glob(f"{night.isoformat()}.*"):
        index.unlink()
    for table in NIGHTLY_TABLES:
        shutil.rmtree(lake.partition(table, night), ignore_errors=True)


def close_nights(lake: Lake, nights: Iterable[date]) -> None:
    """Remembers that some nights are over: a trace that comes now is refused."""
    add_closed_nights(lake, nights)


def empty_refused(lake: Lake, paths: Iterable[Path]) -> int:
    """Takes the bytes out of refused rows; the reason, the file and the line stay."""
    emptied: set[str] = set()
    touched = 0
    for path in paths:
        touched += scrubbing.scrub_parquet(path, lambda row: True, lambda row: {**row, "raw": b""})
        emptied.add(mark_of(lake, path))
    add_emptied(lake, emptied)
    return touched


def list_traces(lake: Lake, nights: tuple[date, ...]) -> set[str]:
    """The trace ids of some nights."""
    rows = lake.rows("select distinct trace_id from staged", {"staged": nights})
    return {row["trace_id"] for row in rows}


def retire_answers(lake: Lake, nights: Iterable[date]) -> int:
    """Takes the words out of the nights' paid answers, and the way back to them; costs stay."""

    def quiet(row: dict[str, Any]) -> dict[str, Any]:
        if row["code"] == "expired":
            return row
        key = f"{MARK}{digest(row['content_key'])}"
        return {**row, "content_key": key, "text": None, "probability": None, "code": "expired"}

    paths = lake.files("answers", list(nights))
    return sum(scrubbing.scrub_parquet(path, lambda row: True, quiet) for path in paths)


def redact_tables(lake: Lake, nights: Iterable[date]) -> int:
    """Takes the words out of the nights' other tables, marts among them; figures stay."""

    def quiet(row: dict[str, Any]) -> dict[str, Any]:
        return {key: MARK if key in TEXT_COLUMNS and value else value for key, value in row.items()}

    touched = 0
    for night in nights:
        stamp = f"date={night:%Y-%m-%d}"
        for folder in (*lake.home.glob(f"*/{stamp}"), *lake.home.glob(f"marts/*/{stamp}")):
            if folder.parent.name not in (*NIGHTLY_TABLES, "answers"):
                for path in folder.glob("*.parquet"):
                    touched += scrubbing.scrub_parquet(path, lambda row: True, quiet)
    return touched


def redact_notes(lake: Lake, traces: set[str]) -> int:
    """Blanks the critiques of some traces' labels; the verdicts are figures."""

    def blank(row: dict[str, Any]) -> dict[str, Any]:
        about = row["subject_id"] in traces and "critique" in row
        return {**row, "critique": MARK} if about else row

    return change_rows(lake.home / "labels", blank)
