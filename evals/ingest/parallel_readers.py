"""Reads a large file of spans with two processes; each reads every row and builds half the traces.

The first process publishes what the second staged together with its own. `traces.rows.shards`
divides the traces; `staging` stages them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from evals.records import Label, Refusal
from evals.specs import Catalog
from evals.storage.lake import Lake, LakeError
from evals.traces import reader
from evals.traces.files.containers import Container
from evals.traces.reader import Reading
from evals.traces.rows.notes import ReadingNotes
from evals.traces.rows.shards import Share

FIRST, SECOND = Share(0, 2), Share(1, 2)
LARGE = 32 * 2**20
"""Bytes from which a second process saves time; compressed bytes count eightfold."""
PACKED = (".gz", ".zst", ".zstd")


class ReadTask(NamedTuple):
    """What to read, and where to stage it."""

    lake: Lake
    catalog: Catalog
    path: Path
    reading: Reading
    container: Container
    sha: str
    now: datetime | None


class ReadResult(NamedTuple):
    """The rows and labels that a reader staged."""

    format: str
    rows: Counter[date]
    refused: list[Refusal]
    labels: list[Label]
    parts: list[tuple[Path, Path]]
    """Temporary files, and the names to publish them under."""
    skipped: Counter[str]
    """Entries that are no answers, by kind."""
    apps: Counter[str]
    notes: ReadingNotes


def needs_two_readers(path: Path, container: Container) -> bool:
    """Whether a file is large enough for two, and of a format whose traces can be shared out."""
    size = path.stat().st_size * (8 if path.suffix.lower() in PACKED else 1)
    return size >= LARGE and reader.is_shareable(container, path.name)


@contextlib.contextmanager
def start_second(task: ReadTask) -> Generator[Callable[[], ReadResult]]:
    """Starts the second reader; yields a function that waits for its result.

    Raises:
        LakeError: the reader failed.
    """
    theirs = task._replace(reading=dataclasses.replace(task.reading, share=SECOND))
    command = [sys.executable, "-m", "evals.ingest.second_reader"]
    with tempfile.TemporaryFile() as task_file:
        task_file.write(pickle.dumps(theirs))
        task_file.seek(0)
        process = subprocess.Popen(command, stdin=task_file, stdout=subprocess.PIPE)
    with process:
        try:
            yield lambda: read_result(process, task.path.name)
        except BaseException:
            process.kill()
            raise


def read_result(process: subprocess.Popen[bytes], name: str) -> ReadResult:
    """Waits for a reader and returns its result."""
    output, _ = process.communicate()
    if process.returncode:
        raise LakeError(
            f"the second reader of {name} stopped with code {process.returncode}; nothing of the "
            "file was taken in: run again, with more memory if it was killed"
        )
    return pickle.loads(output)  # noqa: S301  our own process
