"""Promises of the event log: batches whole, few connections, and files Dagster's own reads."""

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
    return instance.dagster_home(tmp_path)


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


def test_a_run_keeps_the_index_and_its_own_shard_open(home: Path) -> None:
    """However many events it has; the next run's shard takes the place of the last one's."""
    opened: list[str] = []

    def seen(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            (*_, file) = connection.execute("pragma database_list").fetchone()
            opened.append(Path(file).stem)

    event.listen(Engine, "connect", seen)
    try:
        with dg.DagsterInstance.get() as instance:
            runs = [materialized(instance), materialized(instance)]
            storage = instance.event_log_storage
            assert isinstance(storage, EventLog)
            assert set(storage.engines) == {"index", runs[1]}
            assert min(len(instance.all_logs(run)) for run in runs) > 10
        assert not storage.engines
    finally:
        event.remove(Engine, "connect", seen)
    most = max(Counter(opened)[shard] for shard in ("index", *runs))
    assert most <= 5, "more than making the tables takes"


def test_two_storages_write_one_log(home: Path) -> None:
    """What keeps its connection neither locks others out nor misses what they wrote."""
    with dg.DagsterInstance.get() as one, dg.DagsterInstance.from_config(str(home)) as other:
        mine, theirs = materialized(one), materialized(other)
        again = materialized(one)
        for instance in (one, other):
            found = {record.dagster_run.run_id for record in instance.get_run_records()}
            assert found == {mine, theirs, again}
            for run in found:
                assert dg.DagsterEventType.RUN_SUCCESS in {
                    e.dagster_event_type for e in instance.all_logs(run)
                }
            latest = instance.get_latest_materialization_event(KEY)
            assert latest is not None
            assert latest.run_id == again


def test_a_wiped_log_is_written_anew(home: Path) -> None:
    """A kept connection would go on writing into the file that was deleted."""
    with dg.DagsterInstance.get() as instance:
        run = materialized(instance)
        instance.event_log_storage.wipe()
        assert not list(home.glob(f"history/runs/{run}*"))
        assert instance.all_logs(run) == []
        assert (home / "history" / "runs" / f"{run}.db").exists()
