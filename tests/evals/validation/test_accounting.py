"""Promises of a night's account: every row is counted once, over any mix of files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.ingest import staging
from evals.specs import App, Catalog, Column, Mapping, Validation, validation
from evals.specs import catalog as catalog_specs
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet
from evals.validation import admission, quarantine, quarantine_replay

NIGHT = date(2026, 10, 1)
NOW = datetime(2026, 10, 3, 9, tzinfo=UTC)
GOOD: dict[str, Any] = {"app": "chat", "input": "Hi?", "output": "Hello."}
ROW = st.fixed_dictionaries(
    {
        "trace_id": st.sampled_from([f"t{n}" for n in range(6)]),
        "hour": st.sampled_from([1, 12, 23, 24, 30]),
        "output": st.sampled_from(["Hello.", "Goodbye.", ""]),
    },
    optional={
        "session_id": st.sampled_from(["s1", "s2"]),
        "tokens_in": st.sampled_from([1, -1]),
        "app": st.sampled_from(["chat", "qa", "no such name!"]),
    },
)
FILES = st.lists(st.lists(ROW | st.just({}), min_size=1, max_size=8), min_size=1, max_size=4)


def encode_row(row: dict[str, Any]) -> str:
    """Encodes a row of an export; an empty one is malformed JSON."""
    if not row:
        return "{"
    midnight = datetime(NIGHT.year, NIGHT.month, NIGHT.day, tzinfo=UTC)
    ts = (midnight + timedelta(hours=row["hour"])).isoformat()
    return json.dumps({**GOOD, **{k: v for k, v in row.items() if k != "hour"}, "ts": ts})


def adds_up(counts: dict[str, int]) -> bool:
    """Whether read is the sum of accepted, duplicate and quarantined."""
    return counts["read"] == counts["accepted"] + counts["duplicate"] + counts["quarantined"]


def admit_all(lake: Lake, catalog: Catalog) -> dict[date, dict[str, dict[str, Any]]]:
    """Admits all nights; returns every application's account by night."""
    return admission.admit_nights(lake, catalog, lake.list_nights("staged"))


@settings(max_examples=12)
@given(files=FILES)
def test_every_row_of_every_file_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[dict[str, Any]]]
) -> None:
    """It is counted in its night and in its file, never as two traces; a second run is equal."""
    root = tmp_path_factory.mktemp("inbox")
    lake, catalog = Lake(root / "home").open(), Catalog(root=root)
    for number, rows in enumerate(files):
        path = root / f"{number}.jsonl"
        path.write_text("\n".join(map(encode_row, rows)) + "\n" + f'{{"number": {number}}}\n')
        seen = staging.import_file(lake, catalog, path, now=NOW)
        assert seen.read == len(rows) + 1
    nights = admit_all(lake, catalog)
    by_file: dict[str, int] = {}
    for night, apps in nights.items():
        traces = lake.read("traces", [night])
        assert len({(t.app, t.trace_id) for t in traces}) == len(traces)
        for app, account in apps.items():
            assert adds_up(account)
            shown = sum(t.app == app for t in traces)
            assert shown == (0 if account["refused"] else account["accepted"])
            assert account["quarantined"] == sum(account["reasons"].values())
            assert account["read"] == sum(c["read"] for c in account["files"].values())
            for sha, counts in account["files"].items():
                assert adds_up(counts)
                by_file[sha] = by_file.get(sha, 0) + counts["read"]
    unplaced_rows = [row for row in quarantine.read_unreadable(lake) if not (row.app and row.night)]
    for seen in read_inbox_files(lake).values():
        unplaced = sum(row.file_sha == seen.sha256[:16] for row in unplaced_rows)
        assert seen.read == by_file.get(seen.sha256[:16], 0) + unplaced
    assert admit_all(lake, catalog) == nights


def test_a_corrected_mapping_places_refused_rows(tmp_path: Path) -> None:
    """Rows leave quarantine as they enter their night, from the export or from stored bytes."""
    row = {"trace_id": "t", "app": "chat", "input": "Hi?", "reply": "Hello.", "at": 1790856000}
    good = {"trace_id": "u", "app": "chat", "output": "Hello.", "ts": "2026-10-01T12:00:00Z"}
    empty = {**good, "trace_id": "v", "input": "", "output": "", "reply": "It was here."}
    path = tmp_path / "day.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in (row, good, empty)))
    lake, wrong = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    seen = staging.import_file(lake, wrong, path, now=NOW)
    assert admit_all(lake, wrong)[NIGHT]["chat"]["reasons"] == {"no-request": 1}
    assert (seen.read, seen.refused) == (3, 1)
    right = Catalog(root=tmp_path, mappings={"it": Mapping(
        columns={"output": "reply", "ts": Column(path="at", format="epoch")}
    )})  # fmt: skip
    (replay,) = quarantine_replay.replay_quarantine(lake, right)
    assert (replay.tried, replay.placed, replay.nights) == (2, 2, ["2026-10-01"])
    account = admit_all(lake, right)[NIGHT]["chat"]
    assert (account["read"], account["accepted"], account["quarantined"]) == (3, 3, 0)
    traces = {t.trace_id: t for t in lake.read("traces", [NIGHT])}
    assert {key: t.output for key, t in traces.items()} == {
        "t": "Hello.",
        "u": "Hello.",
        "v": "It was here.",
    }
    assert traces["t"].source_line == 1
    assert quarantine.read_refusals(lake) == []
    assert quarantine_replay.replay_quarantine(lake, right) == []
    (seen,) = read_inbox_files(lake).values()
    assert (seen.read, seen.refused) == (3, 0)


def test_rows_that_still_fail_stay_quarantined(tmp_path: Path) -> None:
    """A replay under the same catalog changes nothing, and reports the reasons."""
    path = tmp_path / "day.jsonl"
    bad = {"trace_id": "t", "app": "chat", "input": "", "ts": "2026-10-01T12:00:00Z"}
    path.write_text(json.dumps(bad) + "\n{\n")
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    staging.import_file(lake, catalog, path, now=NOW)
    before = admit_all(lake, catalog)
    (replay,) = quarantine_replay.replay_quarantine(lake, catalog)
    assert (replay.placed, replay.why) == (0, {"no-request": 1, "not-json": 1})
    assert admit_all(lake, catalog) == before
    assert len(quarantine.read_refusals(lake)) == 2


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({}, "empty"),
        ({"error": "Rate limit reached"}, "error"),
        ({"input": "", "error": "Request timed out"}, "timeout"),
        ({"finish_reason": "length"}, "cut_off"),
    ],
)
def test_rows_once_refused_for_no_output_leave_quarantine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], status: str
) -> None:
    """A replay admits such rows of a home from before statuses, each with its own status."""
    path = tmp_path / "day.jsonl"
    good_row = {"app": "chat", "input": "Hi?", "output": "Hello.", "ts": "2026-10-01T12:00:00Z"}
    rows = [good_row | {"trace_id": "u"}, good_row | {"trace_id": "v", "output": ""} | row]
    path.write_text("".join(json.dumps(record) + "\n" for record in rows))
    loose = App(app="chat", validation=Validation(max_quarantined=1))
    lake = Lake(tmp_path / "home").open()
    catalog = Catalog(root=tmp_path, apps={"chat": loose})
    staging.import_file(lake, catalog, path, now=NOW)
    for staged in lake.list_files("staged"):
        table = pq.read_table(staged)
        write_parquet(staged, table.drop_columns(["status"]))
    before = [
        check.model_copy(update={"severity": "critical"}) if check.check == OUTPUT else check
        for check in validation.shipped_expectations()
        if check.check != "request_present"
    ]
    with monkeypatch.context() as patch:
        for module in (validation, catalog_specs, admission):
            patch.setattr(module, "shipped_expectations", lambda: tuple(before))
        assert admit_all(lake, catalog)[NIGHT]["chat"]["reasons"] == {"no-output": 1}
    (replay,) = quarantine_replay.replay_quarantine(lake, catalog)
    assert (replay.tried, replay.placed, replay.nights) == (1, 1, ["2026-10-01"])
    traces = {trace.trace_id: trace.status for trace in lake.read("traces", [NIGHT])}
    assert traces == {"u": "ok", "v": status}
    assert quarantine.read_refusals(lake) == []


OUTPUT = "output_not_empty"
