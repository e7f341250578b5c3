"""Dagster's event log in SQLite with open connections; `dagster.yaml` names its class.

Dagster's own opens a database two or three times for each event, and syncs as often. Here the
shards in use stay open, and a batch of events is one transaction.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import cast

import dagster as dg
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, inspect

INDEX = "index"
"""The shard over all runs; each run has one of its own."""


class OpenBatch(threading.local):
    """The connections of the batch that this thread is writing, by shard."""

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}


def sync_at_checkpoints(connection: sqlite3.Connection, _: object) -> None:
    """Makes SQLite sync at checkpoints only, which its write-ahead log makes safe."""
    connection.execute("pragma synchronous=normal")


class EventLog(SqliteEventLogStorage):
    """Writes the same files as Dagster's own log: each can read what the other wrote."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.batch = OpenBatch()
        self.engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # a batch opens two shards

    @classmethod
    def config_type(cls) -> dict[str, object]:
        """Returns the configuration: the instance's folder."""
        return {"home": dg.StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, object]
    ) -> "EventLog":
        """Opens the log that `dagster.yaml` configures."""
        return cls(str(Path(str(config_value["home"])) / "history" / "runs"), inst_data)

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Generator[Connection, None, None]:
        if shard in self.batch.connections:
            yield self.batch.connections[shard]
            return
        with self._db_lock, self.open_engine(shard).begin() as connection:
            yield connection

    def open_engine(self, shard: str) -> Engine:
        """Opens a shard's engine, which stays open until the shard of another run is opened."""
        if shard not in self.engines:
            self.close_shards(self.engines.keys() - {INDEX})
            engine = create_engine(
                self.conn_string_for_shard(shard),
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            event.listen(engine, "connect", sync_at_checkpoints)
            self.engines[shard] = engine
        initialized = cast("set[str]", self._initialized_dbs)  # pyright: ignore[reportUnknownMemberType]
        if shard not in initialized:
            self._initdb(self.engines[shard])
            initialized.add(shard)
        return self.engines[shard]

    def close_shards(self, shards: set[str]) -> None:
        """Closes the connections of some shards."""
        for shard in shards:
            self.engines.pop(shard).dispose()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; Dagster looks at each event of a check."""
        with self.index_connection() as connection:
            return inspect(connection).has_table(table_name)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Writes events in one transaction."""
        with contextlib.ExitStack() as stack:
            for shard in (INDEX, *{event.run_id for event in events}):
                self.batch.connections[shard] = stack.enter_context(self._connect(shard))
                stack.callback(self.batch.connections.pop, shard)
            super().store_event_batch(events)

    def wipe(self) -> None:
        """Deletes all runs; closes their files first, or writes to a deleted file would be lost."""
        self.close_shards({*self.engines})
        super().wipe()

    def dispose(self) -> None:
        """Closes all connections."""
        super().dispose()
        self.close_shards({*self.engines})
