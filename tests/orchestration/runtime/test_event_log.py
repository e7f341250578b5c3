"""Promises of the event log: atomic batches, few connections, files that Dagster's own reads."""

import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Engine, event

from orchestration.runtime import instance, partitions
from orchestration.runtime.event_log import EventLog

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`")

NIGHTS = ["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04"]
TAGS = {
    "dagster/asset_partition_range_start": NIGHTS[0],
    "dagster/asset_partition_range_end": NIGHTS[-1],
}
KEY = dg.AssetKey("thing")


def materialize_nights(instance: dg.DagsterInstance) -> str:
    """Materializes an asset over some nights; returns the run's id."""

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2026-10-01", "2026-10-05"),
        backfill_policy=partitions.RANGE,
    )
    def thing() -> None:
        """Something of each night."""

    return dg.materialize([thing], instance=instance, tags=TAGS).run_id


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster instance's folder."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    return instance.make_dagster_home(tmp_path)


def count_events(folder: Path) -> dict[str, int]:
    """Counts the stored events of the runs by kind."""
    found_runs: dict[str, int] = {}
    for file in folder.glob("history/runs/*.db"):
        if file.stem != "index":
            with sqlite3.connect(file) as db:
                sql = "select dagster_event_type, count(*) from event_logs group by 1"
                found_runs |= {kind: count for kind, count in db.execute(sql) if kind}
    return found_runs


def test_a_run_over_nights_is_stored_by_the_batch_and_read_by_dagsters_own_storage(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each night's event is stored, in one transaction per batch."""
    batches: list[int] = []
    whole = EventLog.store_event_batch

    def count_batch(self: EventLog, events: list[object]) -> None:
        batches.append(len(events))
        whole(self, events)

    monkeypatch.setattr(EventLog, "store_event_batch", count_batch)
    with dg.DagsterInstance.get() as instance:
        run_id = materialize_nights(instance)
        keys = instance.get_materialized_partitions(KEY)
        assert keys == set(NIGHTS)
    assert batches == [4, 4]
    assert count_events(home)["ASSET_MATERIALIZATION"] == 4
    plain = SqliteEventLogStorage(str(home / "history" / "runs"))
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION}
    assert len(plain.get_records_for_run(run_id, of_type=kinds).records) == 4
    assert plain.get_materialized_partitions(KEY) == keys


def test_a_batch_that_fails_leaves_nothing_half_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dagster then writes the events one by one: each is stored once."""
    store_event = EventLog.store_event
    calls = iter(range(100))

    def breaks_once(self: EventLog, event: object) -> None:
        store_event(self, event)  # pyright: ignore[reportArgumentType]
        if self.batch.connections and next(calls) == 1:
            raise OSError("the disk is full")

    monkeypatch.setattr(EventLog, "store_event", breaks_once)
    with dg.DagsterInstance.get() as instance:
        materialize_nights(instance)
    assert "the disk is full" in capsys.readouterr().err
    assert count_events(home)["ASSET_MATERIALIZATION_PLANNED"] == 4
    assert count_events(home)["ASSET_MATERIALIZATION"] == 4


def test_a_batch_belongs_to_its_thread(home: Path) -> None:
    """Another thread opens its own connection and never writes into this thread's batch."""
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, EventLog)
        storage.batch.connections["index"] = "this thread's"
        seen: list[dict[str, str]] = []
        thread = threading.Thread(target=lambda: seen.append(dict(storage.batch.connections)))
        thread.start()
        thread.join()
        storage.batch.connections.clear()
    assert seen == [{}]


def test_a_run_keeps_the_index_and_its_own_shard_open(home: Path) -> None:
    """A run opens each once; the next run's shard replaces the last one's."""
    opened: list[str] = []

    def record_open(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            (*_, file) = connection.execute("pragma database_list").fetchone()
            opened.append(Path(file).stem)

    event.listen(Engine, "connect", record_open)
    try:
        with dg.DagsterInstance.get() as instance:
            runs = [materialize_nights(instance), materialize_nights(instance)]
            storage = instance.event_log_storage
            assert isinstance(storage, EventLog)
            assert set(storage.engines) == {"index", runs[1]}
            assert min(len(instance.all_logs(run)) for run in runs) > 10
        assert not storage.engines
    finally:
        event.remove(Engine, "connect", record_open)
    most = max(Counter(opened)[shard] for shard in ("index", *runs))
    assert most <= 5, "more than making the tables takes"


def test_two_storages_write_one_log(home: Path) -> None:
    """A log with an open connection neither locks others out nor misses what they wrote."""
    with dg.DagsterInstance.get() as one, dg.DagsterInstance.from_config(str(home)) as other:
        mine, theirs = materialize_nights(one), materialize_nights(other)
        again = materialize_nights(one)
        for instance in (one, other):
            found_runs = {record.dagster_run.run_id for record in instance.get_run_records()}
            assert found_runs == {mine, theirs, again}
            for run in found_runs:
                assert dg.DagsterEventType.RUN_SUCCESS in {
                    e.dagster_event_type for e in instance.all_logs(run)
                }
            latest = instance.get_latest_materialization_event(KEY)
            assert latest is not None
            assert latest.run_id == again


def test_a_wiped_log_is_written_again(home: Path) -> None:
    """After a wipe, runs are written to new files, not to the deleted ones."""
    with dg.DagsterInstance.get() as instance:
        run = materialize_nights(instance)
        instance.event_log_storage.wipe()
        assert not list(home.glob(f"history/runs/{run}*"))
        assert instance.all_logs(run) == []
        assert (home / "history" / "runs" / f"{run}.db").exists()
