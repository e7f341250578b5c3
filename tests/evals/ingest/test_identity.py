"""Content hashes: the same row has the same hash, whichever way it was read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from evals.ingest.identity import hash_trace
from evals.ingest.staging import import_file
from evals.privacy.id_hashes import load_user_key
from evals.records import Trace
from evals.specs import App, Catalog
from evals.storage.lake import Lake
from evals.traces import reader

ROW = {"trace_id": "t", "ts": "2026-10-01T12:00:00Z", "app": "shop", "input": "Hi? é"}
ANSWERS = {
    "clean": "Hello.",
    "private": "Write to ada@example.com.",
    "nested": {"text": "Write to ada@example.com."},
}


def test_the_hash_of_a_row_stays_what_it_was() -> None:
    """Another hash would make every row of an existing home new."""
    trace = Trace(
        trace_id="t-1",
        ts=datetime(2026, 10, 1, 12, tzinfo=UTC),
        app="shop",
        input="Hi? é",
        output="Write to ada@example.com.",
        cost_usd=2e-05,
        metadata={"k": 1.5},
        tags=("a",),
        content_hash="an earlier one",
    )
    assert hash_trace(trace, b"key") == "8959896dbc7517b7ddb2c707c39425cb"
    assert hash_trace(trace, b"another") != hash_trace(trace, b"key")


def test_stored_rows_have_the_hash_of_the_row_as_it_was_read(tmp_path: Path) -> None:
    """Rows stored by column, screened apart for redaction, or read one by one."""
    rows = [{**ROW, "trace_id": name, "output": answer} for name, answer in ANSWERS.items()]
    path = tmp_path / "day.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lake = Lake(tmp_path / "home").open()
    import_file(lake, Catalog(root=tmp_path, apps={"shop": App(app="shop")}), path)
    stored = {trace.trace_id: trace for trace in lake.read("staged", lake.list_nights("staged"))}
    key = load_user_key(lake)
    read = [trace for trace in reader.read_file(path, mappings={}) if isinstance(trace, Trace)]
    changed = {trace.trace_id for trace in read if stored[trace.trace_id].output != trace.output}
    assert changed == {"private", "nested"}
    for trace in read:
        assert stored[trace.trace_id].content_hash == hash_trace(trace, key)
