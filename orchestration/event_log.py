"""Dagster's event log in SQLite, a batch of events in one transaction: named in `dagster.yaml`.

A run over a range tells of each asset on each night. Dagster hands such events over by the batch,
and its own SQLite storage opens a database two or three times for each of them.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

INDEX = "index"
"""The shard that Dagster keeps beside those of the runs."""


class Held(threading.local):
    """The connections of the batch this thread is writing, by shard."""

    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}


class EventLog(SqliteEventLogStorage):
    """The same files as Dagster's own, so that either reads what the other wrote."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.held = Held()
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
    def _connect(self, shard: str) -> Iterator[Any]:
        if shard in self.held.connections:
            yield self.held.connections[shard]
            return
        with super()._connect(shard) as connection:
            yield connection

    def store_event_batch(self, events: Sequence[Any]) -> None:
        """Writes events, all or none."""
        with contextlib.ExitStack() as stack:
            for shard in (INDEX, *{event.run_id for event in events}):
                self.held.connections[shard] = stack.enter_context(self._connect(shard))
                stack.callback(self.held.connections.pop, shard)
            super().store_event_batch(events)
