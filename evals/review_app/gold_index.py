"""The right answers of single traces, read once while their files do not change.

Gold sets of a catalog are `evals.evaluators`'.
"""

from __future__ import annotations

import threading
from collections import defaultdict

from evals.records import GoldValue
from evals.storage.label_records import GOLD, list_batches, read_gold_values
from evals.storage.lake import Lake
from evals.storage.store import FileState, read_file_states


class GoldIndex:
    """The gold values of a home by trace."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.lock = threading.Lock()
        self.stamp: tuple[FileState, ...] | None = None
        self.by_trace: dict[str, list[GoldValue]] = {}

    def read(self, trace_id: str) -> tuple[GoldValue, ...]:
        """Reads the gold values of a trace."""
        with self.lock:
            stamp = read_file_states(list_batches(self.lake, GOLD))
            if stamp != self.stamp:
                by_trace: dict[str, list[GoldValue]] = defaultdict(list)
                for value in read_gold_values(self.lake):
                    by_trace[value.subject_id].append(value)
                self.by_trace, self.stamp = dict(by_trace), stamp
            return tuple(self.by_trace.get(trace_id, ()))
