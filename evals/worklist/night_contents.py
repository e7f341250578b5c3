"""The traces of a night as an evaluator reads them, and the contents that questions are about.

Reads only the columns an evaluator reads, in batches, and keeps no text in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from evals.records import Json, Trace
from evals.specs import Evaluator
from evals.storage.lake import Lake
from evals.storage.queries import query_tables, quote_text
from evals.storage.scratch import open_unnamed_file
from evals.worklist import session_traces

BUFFER_BYTES = 1 << 20
"""Bytes of contents kept in memory before they are written."""

JSON_COLUMNS = ("steps", "messages")
NO_TIME = datetime.fromtimestamp(0, UTC)


class NightTraces:
    """The traces of one night, read with the columns an evaluator needs."""

    def __init__(self, lake: Lake, night: date) -> None:
        self.lake, self.night = lake, night
        self.ids_by_predicate: dict[str, set[str]] = {}

    @cached_property
    def apps(self) -> dict[str, int]:
        """How many traces each application has, sorted by application."""
        counts: Counter[str] = Counter()
        for rows in self.lake.stream_batches("traces", self.night, ("app",)):
            counts.update(row["app"] for row in rows)
        return dict(sorted(counts.items()))

    def read_ids(self, evaluator: Evaluator) -> Iterator[str]:
        """Reads the ids of the traces an evaluator covers."""
        within = self.find_covered(evaluator)
        if evaluator.subject == "session":
            yield from (one for one in self.read_sessions(evaluator) if is_in(one, within))
            return
        for rows in self.lake.stream_batches("traces", self.night, ("trace_id",), evaluator.app):
            for row in rows:
                if is_in(row["trace_id"], within):
                    yield row["trace_id"]

    def read_traces(self, evaluator: Evaluator, more: Sequence[str] = ()) -> Iterator[Trace]:
        """Reads the traces an evaluator covers: the columns that it reads, the status and more."""
        within = self.find_covered(evaluator)
        columns = dict.fromkeys(("trace_id", "status", *evaluator.reads, *more))
        columns |= {"input": None, "user_id": None} if evaluator.gold else {}
        if evaluator.subject == "session":
            place = (self.lake, self.night, evaluator.app)
            for row in session_traces.read_sessions(*place, columns, within):
                yield build_partial_trace(evaluator.app, row)
            return
        for rows in self.lake.stream_batches("traces", self.night, tuple(columns), evaluator.app):
            for row in rows:
                if is_in(row["trace_id"], within):
                    yield build_partial_trace(evaluator.app, row)

    def read_sessions(self, evaluator: Evaluator) -> dict[str, str]:
        """Reads the sessions that an evaluator of sessions covers, by the id of their last turn.

        Empty for an evaluator of single traces.
        """
        if evaluator.subject != "session":
            return {}
        turns = session_traces.read_last_turns(self.lake, self.night, evaluator.app)
        return {turn.trace_id: turn.session_id for turn in turns}

    def read_strata(self, evaluator: Evaluator) -> dict[str, str]:
        """Reads the stratum of each trace; empty where the sample has no strata."""
        if evaluator.stratum is None:
            return {}
        sql = (
            f"select trace_id, try(cast({evaluator.stratum} as varchar)) as stratum"  # noqa: S608
            " from traces where app = " + quote_text(evaluator.app)
        )
        rows = query_tables(self.lake, sql, {"traces": [self.night]})
        return {row["trace_id"]: row["stratum"] or "" for row in rows}

    def find_covered(self, evaluator: Evaluator) -> set[str] | None:
        """Returns the traces for which the evaluator's predicate is true; None: all."""
        if not evaluator.where:
            return None
        ids = self.ids_by_predicate.get(evaluator.where)
        if ids is None:
            sql = f"select trace_id from traces where {evaluator.where}"  # noqa: S608  the catalog's
            ids = {
                row["trace_id"] for row in query_tables(self.lake, sql, {"traces": [self.night]})
            }
            self.ids_by_predicate[evaluator.where] = ids
        return ids


def is_in(trace_id: str, within: set[str] | None) -> bool:
    """Whether a trace is among some; None: among all."""
    return within is None or trace_id in within


def build_partial_trace(app: str, columns: Mapping[str, object], trace_id: str = "") -> Trace:
    """Builds a trace of which only some columns were read."""
    values: dict[str, Any] = {"trace_id": trace_id, "ts": NO_TIME, "app": app, "output": ""}
    values |= columns
    for name in JSON_COLUMNS:
        if isinstance(values.get(name), str):
            values[name] = tuple(json.loads(values[name]))
    return Trace(**values)


def hash_content(content: bytes) -> str:
    """Returns the key of a content: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:32]


class ContentFile:
    """Contents by key: up to a megabyte in memory, more in a nameless temporary file."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.file: int | None = None
        self.buffer = bytearray()
        self.positions: dict[str, tuple[int, int]] = {}
        """Where each content begins, and its length in bytes."""
        self.end = 0
        self.written = 0
        """Bytes that are in the file; those up to `end` are in the buffer."""

    def close(self) -> None:
        """Closes the file, where one was opened."""
        if self.file is not None:
            self.finalizer()
            self.file = None

    def open(self) -> int:
        """Returns the file's descriptor; opens the file at the first call."""
        if self.file is None:
            self.file = open_unnamed_file(self.lake)
            self.finalizer = weakref.finalize(self, os.close, self.file)
        return self.file

    def add(self, key: str, content: bytes) -> None:
        """Adds a content, unless its key has one."""
        if key not in self.positions:
            self.buffer += content
            self.positions[key] = (self.end, len(content))
            self.end += len(content)
            if len(self.buffer) > BUFFER_BYTES:
                self.flush()

    def count_bytes(self, key: str) -> int:
        """Returns the length of a content in bytes."""
        return self.positions[key][1]

    def add_alias(self, alias: str, key: str) -> None:
        """Gives a content a further key."""
        self.positions[alias] = self.positions[key]

    def flush(self) -> None:
        """Writes the buffer to the file."""
        view = memoryview(bytes(self.buffer))
        while view:
            view = view[os.write(self.open(), view) :]
        self.written = self.end
        self.buffer.clear()

    def read(self, key: str) -> tuple[dict[str, Json], Json]:
        """Reads the fields of a content, and gold."""
        start, length = self.positions[key]
        if start >= self.written:
            begin = start - self.written
            data = bytes(self.buffer[begin : begin + length])
        else:
            data = os.pread(self.open(), length, start)
        fields, gold = json.loads(data)
        return fields, gold
