"""A small home of two nights made in this process, and ways to damage its files.

The full sweep over every kind of file, with whole runs, is `tests.system.damage`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from evals import pipeline
from evals.intake import Intake, import_exports
from evals.labels.label_files import import_labels
from evals.records import Answer
from evals.runs import night_locks
from evals.specs import Catalog, load_catalog
from evals.storage import night_state
from evals.storage.documents.review_queues import ReviewQuestion, write_review_queue
from evals.storage.lake import Lake
from evals.storage.marts import QUALITY_MARTS
from evals.storage.parquet_files import write_parquet
from evals.storage.record_tables import to_table
from evals.storage.report_files import compute_version, write_report
from evals.table_rows import Coverage
from tests.catalog_files import write_catalog
from tests.evals.reports import report_bodies

NIGHTS = [date(2026, 3, 1), date(2026, 3, 2)]
NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
READ = {"trace_id": "t", "app": "chat", "input": "Where is it?", "output": "On its way. — the desk"}


class Home(NamedTuple):
    """A home, its catalog and its inbox."""

    folder: Path

    @property
    def lake(self) -> Lake:
        """The home."""
        return Lake(self.folder / "home")

    @property
    def catalog(self) -> Catalog:
        """Its catalog, read anew."""
        load_catalog.cache_clear()
        return load_catalog(self.folder / "catalog")


def build_home(folder: Path) -> Home:
    """Builds a home as a run leaves it: rows, labels, answers, marts, reports."""
    home = Home(folder)
    check = {"assertion": "regex", "params": {"pattern": "desk$"}}
    dimensions = [
        {"dimension": "signed", "question": "Is it signed?", "check": check},
        {"dimension": "tone", "question": "Is it polite?", "check": {"judge": "polite"}},
    ]
    judge = {"judge": "polite", "asks": "Is it polite?", "model": "small", "system": "Judge."}
    write_catalog(
        folder / "catalog",
        {
            "catalog.yaml": {"title": "Chat"},
            "apps/chat.yaml": {"app": "chat", "suite": "chat"},
            "suites/chat.yaml": {"suite": "chat", "dimensions": dimensions},
            "judges/polite.yaml": judge,
            "models.yaml": {
                "small": {"base_url": "http://127.0.0.1:1/v1", "model": "s-2026-01-01"}
            },
        },
    )
    (folder / "inbox").mkdir()
    for night in NIGHTS:
        rows: list[dict[str, Any]] = [
            {**READ, "trace_id": f"trace-{night:%m%d}-{n:09d}", "ts": f"{night}T09:0{n}:00Z"}
            for n in range(4)
        ]
        rows.append({**READ, "trace_id": "bad", "ts": "no time"})
        write_lines(folder / "inbox" / f"{night}.jsonl", rows)
    about = {"dimension": "signed", "verdict": "pass", "annotator": "ann"}
    labels = [
        {**about, "annotator_kind": "human", "trace_id": f"trace-{NIGHTS[0]:%m%d}-{n:09d}"}
        for n in range(2)
    ]
    write_lines(folder / "labels.jsonl", labels)
    lake, catalog = home.lake.open(), home.catalog
    import_exports(lake, catalog, Intake(inbox=folder / "inbox"), NOW)
    import_labels(lake, catalog, folder / "labels.jsonl", NOW)
    pipeline.admit_nights(lake, catalog, NIGHTS, strict=True)
    for night in NIGHTS:
        report_night(lake, catalog, night)
    pipeline.prepare_home(lake, catalog, NOW)
    return home


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def report_night(lake: Lake, catalog: Catalog, night: date) -> None:
    """Writes what a run writes of a night after its validation."""
    locked = night_locks.lock_evaluators(lake, catalog, night, "chat")
    for version in filter(None, (one.answer_version for one in locked)):
        answer = Answer(
            content_key="key", answer_version=version, evaluator="polite", night=night, app="chat",
            text="Yes", probability=0.9, code=None, retryable=False, attempts=1, model="s",
            model_answered="s", fingerprint=None, created=None, tokens_in=1, tokens_out=1,
            cost_usd=0.01,
        )  # fmt: skip
        lake.write("answers", night, [answer], version)
    covered = [
        Coverage(night, "chat", one.dimension, one.name, one.version, 4, 4) for one in locked
    ]
    for mart in ("fct_slice_members", *QUALITY_MARTS):
        path = lake.store.path(f"marts/{mart}/date={night}/data.parquet")
        write_parquet(path, to_table(Coverage, covered))
    for one in locked:
        lake.write("coverage", night, covered, f"{one.name}@{one.app}@{one.version}")
    body = report_bodies.night(night.isoformat(), "chat")
    used = [{"name": one.name, "version": one.version, "kind": one.kind, "model": None}
            for one in locked]  # fmt: skip
    body["provenance"] = {**body["provenance"], "evaluators": used}
    body["version"] = compute_version(body)
    write_report(lake, night, body, "<p>", {"reported_at": NOW.isoformat()})
    write_review_queue(
        lake, night, [ReviewQuestion("t", "chat", "signed", "signed", "Is it?", "random", 1.0)]
    )
    night_state.update_state(
        lake,
        night,
        reports={"chat": body["version"]},
        seen=night_locks.digest_inputs(lake, catalog, night),
        on_time=tuple(night_state.list_staged_sources(lake, night)),
    )


def flip_byte(data: bytes) -> bytes:
    """Changes one byte in the middle; in the first column of a table, not in its footer."""
    middle = len(data) // 2
    if data[:4] == b"PAR1":
        groups = pq.ParquetFile(io.BytesIO(data)).metadata
        middle = 1
        if groups.num_rows:
            column = groups.row_group(0).column(0)
            start = column.dictionary_page_offset or column.data_page_offset
            middle = start + column.total_compressed_size - 1
    return data[:middle] + bytes([data[middle] ^ 0x21]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "removed": lambda data: None,
    "half": lambda data: data[: len(data) // 2],
    "flipped": flip_byte,
    "another type": lambda data: b"17\n" if data[:1] in (b"{", b"[") else b'{"a": [null]}\n',
}


def damage_file(path: Path, damage: str) -> None:
    """Damages a file; an old time and a new inode, as after a restored disk."""
    after = DAMAGES[damage](path.read_bytes())
    path.unlink()
    if after is not None:
        path.write_bytes(after)
