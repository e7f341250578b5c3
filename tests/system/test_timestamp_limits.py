"""Rows with impossible timestamps belong to no night, and break none."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.ingest import inbox
from evals.runs import night_locks
from evals.specs import Catalog, Column, Mapping
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.lake import Lake
from evals.validation import admission, quarantine, quarantine_replay
from tests.system.teams import Team

READ = datetime(2026, 10, 3, 9, tzinfo=UTC)


def build_row(name: str, ts: Any, **more: Any) -> dict[str, Any]:
    """Builds one ordinary, invented request."""
    return {"trace_id": name, "ts": ts, "app": "chat", "input": "Hi?", "output": "Hello.", **more}


def import_rows(
    folder: Path, rows: Iterable[dict[str, Any]], **catalog: Any
) -> tuple[Lake, Catalog]:
    """Imports an export into a home."""
    path = folder / "day.jsonl"
    path.write_text("".join(json.dumps(fields) + "\n" for fields in rows))
    lake, declared = Lake(folder / "home").open(), Catalog(root=folder, **catalog)
    inbox.import_inbox(lake, declared, path.parent / "day.jsonl", now=READ)
    return lake, declared


def format_ahead(**ahead: float) -> str:
    """Formats a time so far ahead of the import."""
    return (READ + timedelta(**ahead)).isoformat()


@pytest.mark.parametrize("private", [{}, {"output": "Write to ada@example.org."}])
def test_implausible_timestamps_are_refused_and_fast_clocks_are_reported(
    tmp_path: Path, private: dict[str, str]
) -> None:
    """More than a day ahead or before 2000 is quarantined; less is accepted with a warning.

    Whether a row is read by the column or by itself makes no difference.
    """
    rows = {
        "now": format_ahead(),
        "skewed": format_ahead(minutes=4),
        "zone": format_ahead(hours=5),
        "edge": format_ahead(days=1),
        "future": format_ahead(days=1, seconds=1),
        "year": "2150-01-01T00:00:00Z",
        "unit": "1970-01-21T17:00:00Z",
        "old": "2000-01-01T00:00:00Z",
    }
    lake, catalog = import_rows(
        tmp_path, [build_row(name, ts, **private) for name, ts in rows.items()]
    )
    accounts = admission.admit_nights(lake, catalog, lake.list_nights("staged"))
    assert list(accounts) == [date(2000, 1, 1), date(2026, 10, 3), date(2026, 10, 4)]
    refusals = {
        refusal.trace_id: (refusal.code, refusal.night, refusal.app)
        for refusal in quarantine.read_refusals(lake)
    }
    assert refusals == {
        "future": ("future-timestamp", None, "chat"),
        "year": ("future-timestamp", None, "chat"),
        "unit": ("ancient-timestamp", None, "chat"),
    }
    skew = {check["name"]: check for check in accounts[date(2026, 10, 3)]["chat"]["checks"]}
    assert skew["clock_not_ahead"]["examples"] == ["zone"]
    (seen,) = read_inbox_files(lake).values()
    accepted = sum(apps["chat"]["accepted"] for apps in accounts.values())
    assert (seen.read, seen.refused, accepted) == (8, 3, 5)


def test_a_corrected_unit_in_the_mapping_replays_them(tmp_path: Path) -> None:
    """Seconds read as milliseconds are in January 1970 until the mapping declares their unit."""
    wrong = {"it": Mapping(columns={"ts": Column(path="at", format="epoch_ms")})}
    right = {"it": Mapping(columns={"ts": Column(path="at", format="epoch")})}
    seconds = int(READ.timestamp()) - 60
    rows = [{**build_row(f"t{n}", None), "at": seconds + n} for n in range(3)]
    lake, catalog = import_rows(tmp_path, rows, mappings=wrong)
    assert lake.list_nights("staged") == []
    (replay,) = quarantine_replay.replay_quarantine(lake, catalog)
    assert (replay.placed, replay.why) == (0, {"ancient-timestamp": 3})
    mended = Catalog(root=tmp_path, mappings=right)
    (replay,) = quarantine_replay.replay_quarantine(lake, mended)
    assert (replay.placed, replay.nights) == (3, ["2026-10-03"])
    account = admission.admit_nights(lake, mended, lake.list_nights("staged"))[date(2026, 10, 3)][
        "chat"
    ]
    assert (account["read"], account["accepted"]) == (3, 3)
    assert quarantine.read_refusals(lake) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_rows_that_a_slow_clock_refused_pass_a_replay(tmp_path: Path, is_there: bool) -> None:
    """Today's clock judges them, with the export and without; rows that are ahead still wait."""
    rows = [
        build_row("new", format_ahead(hours=30)),
        build_row("mail", format_ahead(hours=31), output="Write to ada@example.org."),
        build_row("later", format_ahead(days=9)),
    ]
    lake, catalog = import_rows(tmp_path, rows)
    if not is_there:
        (tmp_path / "day.jsonl").unlink()
    (replay,) = quarantine_replay.replay_quarantine(lake, catalog, now=READ - timedelta(days=9))
    assert replay.placed == 0
    (replay,) = quarantine_replay.replay_quarantine(lake, catalog, now=READ + timedelta(days=2))
    assert (replay.placed, replay.nights) == (2, ["2026-10-04"])
    assert replay.why == {"future-timestamp": 1}
    admission.admit_nights(lake, catalog, lake.list_nights("staged"))
    assert sorted(trace.trace_id for trace in lake.read("traces")) == ["mail", "new"]


@pytest.mark.parametrize("name", ["day.jsonl", "day.json", "day.csv", "day.parquet"])
def test_refused_timestamps_are_replayed_without_the_export(tmp_path: Path, name: str) -> None:
    """Quarantine stores the rows' bytes, numbers in text cells included."""
    import pandas

    wrong = {"it": Mapping(columns={"ts": Column(path="at", format="epoch_ms")})}
    right = {"it": Mapping(columns={"ts": Column(path="at", format="epoch")})}
    seconds = int(READ.timestamp()) - 60
    rows = [{**build_row(f"t{n}", None), "at": seconds + n, "tokens_in": n} for n in range(3)]
    table = pandas.DataFrame([{k: v for k, v in fields.items() if k != "ts"} for fields in rows])
    path = tmp_path / name
    if name.endswith("csv"):
        table.to_csv(path, index=False)
    elif name.endswith("parquet"):
        table.to_parquet(path)
    else:
        table.to_json(path, orient="records", lines=name.endswith("l"))
    lake = Lake(tmp_path / "home").open()
    inbox.import_inbox(lake, Catalog(root=tmp_path, mappings=wrong), path, now=READ)
    path.unlink()
    mended = Catalog(root=tmp_path, mappings=right)
    (replay,) = quarantine_replay.replay_quarantine(lake, mended)
    assert (replay.tried, replay.placed, replay.gone, replay.nights) == (3, 3, 0, ["2026-10-03"])
    account = admission.admit_nights(lake, mended, lake.list_nights("staged"))[date(2026, 10, 3)][
        "chat"
    ]
    assert (account["read"], account["accepted"]) == (3, 3)
    placed = sorted((t.ts.timestamp(), t.tokens_in) for t in lake.read("traces"))
    assert placed == [(seconds + n, n) for n in range(3)]


def test_rows_that_are_no_longer_stored_whole_are_counted(tmp_path: Path) -> None:
    """The replay counts a row that is longer than its stored part, if the export is gone."""
    rows = [
        build_row("long", "2150-01-01T00:00:00Z", input="x" * 70_000),
        build_row("new", format_ahead()),
    ]
    lake, catalog = import_rows(tmp_path, rows)
    (tmp_path / "day.jsonl").unlink()
    (replay,) = quarantine_replay.replay_quarantine(lake, catalog)
    assert (replay.tried, replay.placed, replay.gone, replay.why) == (1, 0, 1, {})


def test_a_night_that_has_not_begun_is_not_run(tmp_path: Path) -> None:
    """A clock that is ahead over midnight does not begin a night early."""
    lake, catalog = import_rows(
        tmp_path, [build_row("a", format_ahead()), build_row("b", format_ahead(hours=16))]
    )
    assert night_locks.list_begun_nights(lake, catalog, READ) == [date(2026, 10, 3)]
    assert night_locks.list_begun_nights(
        lake, catalog, READ + timedelta(days=1)
    ) == lake.list_nights("staged")
    simulated = catalog.model_copy(update={"demo": True})
    assert night_locks.list_begun_nights(lake, simulated, READ) == lake.list_nights("staged")


@pytest.mark.slow
def test_one_row_of_another_century_breaks_no_night(tmp_path: Path) -> None:
    """Two separate nights are reported in one run, and none is of 1970 or 2150."""
    team = Team(tmp_path)
    team.declare({"catalog.yaml": {"title": "Chat"}, "apps/chat.yaml": {"app": "chat"}})
    moments = ["2026-05-04T10:00:00Z", "2026-05-07T10:00:00Z", "2150-01-01T00:00:00Z",
               "1970-01-21T00:00:00Z"]  # fmt: skip
    team.export("day.jsonl", [build_row(f"t{n}", ts) for n, ts in enumerate(moments)])
    summary = team.run_nightly()
    assert summary["failures"] == []
    assert summary["nights"] == ["2026-05-04", "2026-05-07"]
    assert [report["status"] for report in summary["reports"]] == ["reported", "reported"]
    (file,) = team.report("2026-05-07", "chat")["accounting"]["files"]
    assert (file["read"], file["accepted"], file["unplaced"]) == (1, 1, 2)
