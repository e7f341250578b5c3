"""Promises of the event log: a batch is written whole, and Dagster's own storage reads it."""

import sqlite3
import threading
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from orchestration import launch, partitions
from orchestration.event_log import EventLog

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`")

NIGHTS = ["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04"]
TAGS = {
    "dagster/asset_partition_range_start": NIGHTS[0],
    "dagster/asset_partition_range_end": NIGHTS[-1],
}
KEY = dg.AssetKey("thing")


def materialized(instance: dg.DagsterInstance) -> str:
    """A run over some nights; its id."""

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2026-10-01", "2026-10-05"),
        backfill_policy=partitions.RANGE,
    )
    def thing() -> None:
        """Something of each night."""

    return dg.materialize([thing], instance=instance, tags=TAGS).run_id


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance's folder as a run makes it."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    return launch.dagster_home(tmp_path)


def stored(folder: Path) -> dict[str, int]:
    """Events of the runs by kind, as SQLite has them."""
    found: dict[str, int] = {}
    for file in folder.glob("history/runs/*.db"):
        if file.stem != "index":
            with sqlite3.connect(file) as db:
                sql = "select dagster_event_type, count(*) from event_logs group by 1"
                found |= {kind: count for kind, count in db.execute(sql) if kind}
    return found


def test_a_run_over_nights_is_stored_by_the_batch_and_read_by_dagsters_own_storage(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each night's event is there, in as few transactions as there are batches."""
    batches: list[int] = []
    whole = EventLog.store_event_batch

    def counted(self: EventLog, events: list[object]) -> None:
        batches.append(len(events))
        whole(self, events)

    monkeypatch.setattr(EventLog, "store_event_batch", counted)
    with dg.DagsterInstance.get() as instance:
        run_id = materialized(instance)
        keys = instance.get_materialized_partitions(KEY)
        assert keys == set(NIGHTS)
    assert batches == [4, 4]
    assert stored(home)["ASSET_MATERIALIZATION"] == 4
    plain = SqliteEventLogStorage(str(home / "history" / "runs"))
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION}
    assert len(plain.get_records_for_run(run_id, of_type=kinds).records) == 4
    assert plain.get_materialized_partitions(KEY) == keys


def test_a_batch_that_fails_leaves_nothing_half_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dagster then writes the events one by one: each is there once."""
    told = EventLog.store_event
    calls = iter(range(100))

    def breaks_once(self: EventLog, event: object) -> None:
        told(self, event)  # pyright: ignore[reportArgumentType]
        if self.held.connections and next(calls) == 1:
            raise OSError("the disk is full")

    monkeypatch.setattr(EventLog, "store_event", breaks_once)
    with dg.DagsterInstance.get() as instance:
        materialized(instance)
    assert "the disk is full" in capsys.readouterr().err
    assert stored(home)["ASSET_MATERIALIZATION_PLANNED"] == 4
    assert stored(home)["ASSET_MATERIALIZATION"] == 4


def test_a_batch_is_its_threads_own(home: Path) -> None:
    """Another thread opens the shard for itself, and waits: it writes into no other's batch."""
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, EventLog)
        storage.held.connections["index"] = "this thread's"
        seen: list[dict[str, str]] = []
        thread = threading.Thread(target=lambda: seen.append(dict(storage.held.connections)))
        thread.start()
        thread.join()
        storage.held.connections.clear()
    assert seen == [{}]
