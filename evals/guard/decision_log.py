"""Writes decisions down as traces that the nightly import reads, redacted like an imported row.

What a night makes of them is a section of its report.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from evals.guard.decisions import METADATA_KEY, Decision
from evals.guard.rules import GuardedRequest
from evals.privacy.redaction import Redaction, build_redactor
from evals.records import Json, encode_canonical
from evals.storage.appending import AppendedFile

LOG = logging.getLogger(__name__)
LOST = "guard: a decision could not be written to %s (%s); check the folder and the disk"


@dataclass
class ProcessLog:
    """What one process writes to: after a fork each has its own lock and file."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    day: str = ""
    file: AppendedFile | None = None
    lost: int = 0
    """Decisions that could not be written."""


@dataclass(frozen=True)
class DecisionLog:
    """A folder with one file of decisions for each process and day."""

    folder: Path
    app: str
    kinds: tuple[str, ...]
    """Kinds of personal data that are redacted; secrets always are."""
    processes: dict[int, ProcessLog] = field(
        default_factory=dict[int, ProcessLog], repr=False, compare=False
    )
    """By process id."""

    @property
    def lost(self) -> int:
        """Counts the decisions that this process could not write."""
        return self.of_process().lost

    def of_process(self) -> ProcessLog:
        """Returns what this process writes to."""
        return self.processes.setdefault(os.getpid(), ProcessLog())

    def write(
        self, request: GuardedRequest, decision: Decision, fields: Mapping[str, Json]
    ) -> None:
        """Writes a decision with its request; an answer never fails because this did."""
        own = self.of_process()
        try:
            line = self.build_line(request, decision, fields)
            with own.lock:
                self.open_file(own, request).append(line)
        except Exception as error:  # its text may hold the request's
            with own.lock:
                own.lost += 1
                is_first = own.lost == 1
            if is_first:
                LOG.warning(LOST, self.folder, type(error).__name__)

    def open_file(self, own: ProcessLog, request: GuardedRequest) -> AppendedFile:
        """Opens this process's file of the request's day, unless it is open; needs the lock."""
        day = request.ts.date().isoformat()
        if own.file is None or own.day != day:
            if own.file is not None:
                own.file.close()
                own.file = None
            name = f"guard-{self.app}-{day}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            own.file, own.day = AppendedFile(self.folder / name), day
        return own.file

    def build_line(
        self, request: GuardedRequest, decision: Decision, fields: Mapping[str, Json]
    ) -> bytes:
        """Returns a decision as a row of canonical fields, redacted."""
        given = {name: value for name, value in fields.items() if value is not None}
        metadata = given.pop("metadata", None)
        own: dict[str, Json] = dict(metadata) if isinstance(metadata, dict) else {}
        row: dict[str, Json] = {
            **given,
            **{str(name): text for name, text in request.texts.items()},
            **({"messages": list(request.messages)} if request.messages else {}),
            "metadata": {**own, METADATA_KEY: decision.as_metadata()},
        }
        if "output" not in request.texts:
            row |= {"output": "", "status": "filtered" if decision.blocked else "empty"}
        clean = Redaction(build_redactor(self.kinds)).redact_value(row)
        assert isinstance(clean, dict)  # noqa: S101  it was one
        clean |= {"trace_id": request.trace_id, "app": self.app, "ts": request.ts.isoformat()}
        try:
            return orjson.dumps(clean) + b"\n"
        except TypeError:  # a lone surrogate, which no file of JSON may hold
            text = encode_canonical(clean).decode("utf-8", "surrogatepass")
            return text.encode("utf-8", "replace") + b"\n"
