"""Deletes what outlived the catalog's retention: raw rows after days, texts after months.

Figures stay for ever. What a person asks to delete is `forget`'s; here only time decides.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from evals.ingest.inbox import list_inbox
from evals.privacy import scrubbing
from evals.privacy.scrubbing import Row
from evals.records import Json, digest
from evals.reports import board_pages, night_pages, redact_text
from evals.specs import Catalog
from evals.storage import id_index
from evals.storage.documents.emptied_files import add_emptied, build_mark, read_emptied
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.judge_candidates import drop_candidates
from evals.storage.documents.open_notes import empty_notes
from evals.storage.documents.review_queues import delete_review_queue
from evals.storage.documents.tombstones import add_closed_nights
from evals.storage.label_records import change_label_rows
from evals.storage.lake import Lake
from evals.storage.parquet_files import stream_rows
from evals.storage.queries import query_tables
from evals.storage.refused_rows import list_refused_tables
from evals.storage.report_files import has_reports
from evals.traces.files.streams import file_sha

MARK = "[expired]"
NIGHTLY_TABLES = ("staged", "traces", "quarantine")
"""Tables whose rows are mostly text: a night of theirs is deleted whole."""
TEXT_COLUMNS = ("explanation", "text", "note")
"""Columns of text in the other tables; all other columns are figures or names."""


@dataclasses.dataclass(frozen=True)
class Expired:
    """What is older than the retention rule allows."""

    raw: tuple[Path, ...] = ()
    """Files of the raw folder that were imported."""
    refused: tuple[Path, ...] = ()
    """Quarantine files whose raw bytes are deleted; their reasons stay."""
    nights: tuple[date, ...] = ()
    """Nights whose texts are deleted."""

    def __bool__(self) -> bool:
        return bool(self.raw or self.refused or self.nights)


def find_expired(lake: Lake, catalog: Catalog, now: datetime) -> Expired:
    """Finds what has outlived the catalog's retention, by names and times alone."""
    rule = catalog.retention
    raw = now - timedelta(days=rule.raw_days)
    inbox_files = read_inbox_files(lake)
    aged = [path for path in list_inbox(lake.make_inbox_folder()) if modified_at(path) < raw]
    refused = [path for path in list_refused_tables(lake) if modified_at(path) < raw]
    emptied = read_emptied(lake)
    return Expired(
        tuple(path for path in aged if file_sha(path) in inbox_files),
        tuple(path for path in refused if build_mark(lake, path) not in emptied),
        tuple(find_expired_nights(lake, now - timedelta(days=rule.traces_days))),
    )


def find_expired_nights(lake: Lake, before: datetime) -> Iterator[date]:
    """Yields nights that began and were staged before a moment: no history just imported."""
    for night in sorted({*lake.list_nights("staged"), *lake.list_nights("traces")}):
        files = lake.list_files("staged", [night]) + lake.list_files("traces", [night])
        begun = datetime(night.year, night.month, night.day, tzinfo=UTC)
        if begun < before and all(modified_at(path) < before for path in files):
            yield night


def modified_at(path: Path) -> datetime:
    """Returns when a file was last written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def delete_expired(lake: Lake, expired: Expired, catalog: Catalog | None = None) -> dict[str, int]:
    """Deletes what is expired; needs the home alone. Repeated, it deletes nothing more.

    Returns:
        How much was deleted, by kind.
    """
    done: Counter[str] = Counter()
    with lake.lock_home(exclusive=True):
        for path in expired.raw:
            path.unlink(missing_ok=True)
            done["raw files"] += 1
        done["refused rows"] = empty_refused(lake, expired.refused)
        if expired.nights:
            add_closed_nights(lake, expired.nights)  # a trace that comes now is refused
            done["nights"] = len(expired.nights)
            traces = list_traces(lake, expired.nights)
            night_pages.empty_answers(lake, traces)
            done["answers"] = retire_answers(lake, expired.nights) + retire_anchors(lake, traces)
            done["rows"] = redact_tables(lake, expired.nights)
            done["reports"] = len(
                redact_text.redact_reports(lake, lambda example: example.trace_id in traces, MARK)
            )
            done["labels"] = redact_notes(lake, traces)
            done["notes"] = empty_notes(lake, traces.__contains__, MARK)
            drop_candidates(lake, traces.__contains__)
            for night in expired.nights:
                delete_night(lake, night)
            night_pages.write_emptied(lake, catalog)
            if has_reports(lake):
                board_pages.write_board(lake)
    return dict(done)


def delete_night(lake: Lake, night: date) -> None:
    """Deletes a night's rows and its review queue; last, since the rest is found by them."""
    delete_review_queue(lake, night)
    id_index.delete_indexes(lake, night)
    for table in NIGHTLY_TABLES:
        lake.delete_night(table, night)


def empty_refused(lake: Lake, paths: Iterable[Path]) -> int:
    """Deletes the bytes of refused rows and returns how many; reason, file and line stay."""
    emptied: set[str] = set()
    touched = 0
    for path in paths:
        touched += scrubbing.scrub_parquet(path, lambda row: True, lambda row: {**row, "raw": b""})
        emptied.add(build_mark(lake, path))
    add_emptied(lake, emptied)
    return touched


def list_traces(lake: Lake, nights: tuple[date, ...]) -> set[str]:
    """Returns the trace ids of some nights."""
    rows = query_tables(lake, "select distinct trace_id from staged", {"staged": nights})
    return {row["trace_id"] for row in rows}


def retire_answer(row: Row) -> Row:
    """Returns a paid answer with its cost but without its text, under a key nothing looks up."""
    if row["code"] == "expired":
        return row
    key = f"{MARK}{digest(str(row['content_key']))}"
    return {**row, "content_key": key, "text": None, "probability": None, "code": "expired"}


def retire_answers(lake: Lake, nights: Iterable[date]) -> int:
    """Removes the nights' paid answers' texts and keys and returns how many; costs stay."""
    paths = lake.list_files("answers", list(nights))
    return sum(scrubbing.scrub_parquet(path, lambda row: True, retire_answer) for path in paths)


def retire_anchors(lake: Lake, traces: set[str]) -> int:
    """Does the same with answers that later nights paid for about some traces, as anchors.

    An answer to a content that the later night has itself stays.
    """
    asked: dict[date, set[str]] = {}
    for row in lake.read("anchors"):
        if row.trace_id in traces:
            asked.setdefault(row.date, set()).add(row.content_key)
    done = 0
    for night, keys in asked.items():
        scores = (rows for path in lake.list_files("scores", [night])
                  for rows in stream_rows(path, ("content_key",)))  # fmt: skip
        own = {row["content_key"] for rows in scores for row in rows}

        def retire_anchor(row: Row, keys: set[str] = keys, own: set[str] = own) -> Row:
            key = str(row["content_key"])
            is_asked = key.partition(".")[0] in keys and key not in own
            return retire_answer(row) if is_asked else row

        for path in lake.list_files("answers", [night]):
            done += scrubbing.scrub_parquet(path, lambda row: True, retire_anchor)
    return done


def redact_tables(lake: Lake, nights: Iterable[date]) -> int:
    """Removes the texts of the nights' other tables, marts too; figures stay. Returns how many."""

    def redact_row(row: Row) -> Row:
        return {key: MARK if key in TEXT_COLUMNS and value else value for key, value in row.items()}

    paths = (
        file.path
        for night in nights
        for file in lake.list_night_files(night)
        if file.table not in (*NIGHTLY_TABLES, "answers")
    )
    return sum(scrubbing.scrub_parquet(path, lambda row: True, redact_row) for path in paths)


def redact_notes(lake: Lake, traces: set[str]) -> int:
    """Replaces the critiques of some traces' labels; the verdicts stay. Returns how many."""

    def redact_critique(row: dict[str, Json]) -> dict[str, Json]:
        is_about = row["subject_id"] in traces and "critique" in row
        return {**row, "critique": MARK} if is_about else row

    return change_label_rows(lake, "labels", redact_critique)
