"""A large file of spans is read by two processes: each sees every row and makes half the traces.

What the second one stages lies aside until the first has it put in place with its own. How a
share is told is `importers.shares`'; what staging is, `staging`'s.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from evals.records import Label, Refusal
from evals.specs import Catalog
from evals.storage.lake import Lake, LakeError
from evals.traces import reader
from evals.traces.files.containers import Container
from evals.traces.reader import Reading
from evals.traces.rows.shards import Share

FIRST, SECOND = Share(0, 2), Share(1, 2)
LARGE = 32 * 2**20
"""From so many bytes on the second process is worth its start; packed ones count eightfold."""
PACKED = (".gz", ".zst", ".zstd")


class ReadTask(NamedTuple):
    """What there is to read, and where it goes."""

    lake: Lake
    catalog: Catalog
    path: Path
    reading: Reading
    container: Container
    sha: str
    now: datetime | None


class ReadResult(NamedTuple):
    """What a reader found."""

    format: str
    rows: Counter[date]
    refused: list[Refusal]
    labels: list[Label]
    parts: list[tuple[Path, Path]]
    """Files staged aside, and where they belong."""


def needs_two_readers(path: Path, container: Container) -> bool:
    """Whether a file is large enough for two, and of a format whose traces can be shared out."""
    size = path.stat().st_size * (8 if path.suffix.lower() in PACKED else 1)
    return size >= LARGE and reader.is_shareable(container, path.name)


@contextlib.contextmanager
def start_second(task: ReadTask) -> Iterator[Callable[[], ReadResult]]:
    """The second reader at work; what is yielded waits for what it found.

    Raises:
        LakeError: it stopped before it was done.
    """
    theirs = task._replace(reading=dataclasses.replace(task.reading, share=SECOND))
    command = [sys.executable, "-m", "evals.ingest.second_reader"]
    with tempfile.TemporaryFile() as told:
        told.write(pickle.dumps(theirs))
        told.seek(0)
        process = subprocess.Popen(command, stdin=told, stdout=subprocess.PIPE)
    with process:
        try:
            yield lambda: read_result(process, task.path.name)
        except BaseException:
            process.kill()
            raise


def read_result(process: subprocess.Popen[bytes], name: str) -> ReadResult:
    """What a reader found, once it is done."""
    told, _ = process.communicate()
    if process.returncode:
        raise LakeError(
            f"the second reader of {name} stopped with code {process.returncode}; nothing of the "
            "file was taken in: run again, with more memory if it was killed"
        )
    return pickle.loads(told)  # noqa: S301  our own process
