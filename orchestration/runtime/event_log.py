"""Dagster's event log in SQLite, its connections kept: named in `dagster.yaml`.

Dagster's own opens a database two or three times for each event, and syncs as often. Here the
shards in use stay open, and a batch of events, as of a run over a range, is one transaction.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, create_engine, event, inspect

INDEX = "index"
"""The shard that Dagster keeps beside those of the runs."""


class Held(threading.local):
    """The connections of the batch this thread is writing, by shard."""

    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}


def sync_at_checkpoints(connection: Any, _: Any) -> None:
    """Lets SQLite sync at checkpoints only, which its write-ahead log makes safe."""
    connection.execute("pragma synchronous=normal")


class EventLog(SqliteEventLogStorage):
    """The same files as Dagster's own, so that either reads what the other wrote."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.held = Held()
        self.engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # a batch opens two shards

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The instance's folder."""
        return {"home": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> "EventLog":
        """As Dagster makes it from `dagster.yaml`."""
        return cls(str(Path(config_value["home"]) / "history" / "runs"), inst_data)

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if shard in self.held.connections:
            yield self.held.connections[shard]
            return
        with self._db_lock, self.engine(shard).begin() as connection:
            yield connection

    def engine(self, shard: str) -> Engine:
        """A shard's engine with its connection; of the runs' shards the last one's is kept."""
        if shard not in self.engines:
            self.close(self.engines.keys() - {INDEX})
            made = create_engine(
                self.conn_string_for_shard(shard),
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            event.listen(made, "connect", sync_at_checkpoints)
            self.engines[shard] = made
        if shard not in self._initialized_dbs:
            self._initdb(self.engines[shard])
            self._initialized_dbs.add(shard)
        return self.engines[shard]

    def close(self, shards: set[str]) -> None:
        """Closes the connections of some shards."""
        for shard in shards:
            self.engines.pop(shard).dispose()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table, which Dagster asks at each event of a check."""
        with self.index_connection() as connection:
            return inspect(connection).has_table(table_name)

    def store_event_batch(self, events: Sequence[Any]) -> None:
        """Writes events, all or none."""
        with contextlib.ExitStack() as stack:
            for shard in (INDEX, *{event.run_id for event in events}):
                self.held.connections[shard] = stack.enter_context(self._connect(shard))
                stack.callback(self.held.connections.pop, shard)
            super().store_event_batch(events)

    def wipe(self) -> None:
        """Deletes all runs; a file that is open would be written on unseen."""
        self.close({*self.engines})
        super().wipe()

    def dispose(self) -> None:
        """Closes what is open."""
        super().dispose()
        self.close({*self.engines})
