"""What an import of many files promises of those before the one it stopped at."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.ingest import inbox
from evals.specs import Catalog
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.lake import Lake

NOW = datetime(2026, 10, 3, 9, tzinfo=UTC)
ROW = {"app": "chat", "output": "Hello.", "ts": "2026-10-01T12:00:00Z"}


class Stopped(RuntimeError):
    """Somebody pressed a key."""


def test_an_interrupted_import_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was read is known, in order; the rest is read the next time, and once."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.jsonl").write_text(json.dumps({**ROW, "trace_id": f"t{n}"}) + "\n")
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)

    def stop(words: str) -> None:
        if words.endswith("2.jsonl"):
            raise Stopped

    with pytest.raises(Stopped):
        inbox.import_inbox(lake, catalog, folder, now=NOW, report=stop)
    assert {row.name: row.order for row in read_inbox_files(lake).values()} == {
        "0.jsonl": 0,
        "1.jsonl": 1,
    }
    assert [seen.name for seen in inbox.import_inbox(lake, catalog, folder, now=NOW).files] == [
        "2.jsonl",
        "3.jsonl",
    ]
    assert [
        row.order for _, row in sorted((r.name, r) for r in read_inbox_files(lake).values())
    ] == [
        0,
        1,
        2,
        3,
    ]
    assert len(lake.read("staged")) == 4
