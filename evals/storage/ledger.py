"""Paid answers: the journal they arrive in, the table they rest in, and what is paid already.

An answer is looked up by content × answer_version; scores are derived from it without a call.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Collection, Generator, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from evals.records import Answer
from evals.storage.files import parquet_batches
from evals.storage.lake import Lake
from evals.storage.locks import LockHeldError
from evals.storage.tables import from_rows

RUN_ATTEMPTS = 5
"""Runs that try a failing call before its error is final."""

KEY = "content_key"
STANDING = (KEY, "code", "retryable", "attempts")


def repeat(key: str, nth: int) -> str:
    """The name of a content's nth answer under one version; the first has the content's own."""
    return key if nth == 1 else f"{key}.{nth}"


class Journal:
    """Answers as they arrive: one line each, written before the next request is sent."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, answer: Answer) -> None:
        """Adds one answer; survives the death of the process at any moment after."""
        os.write(self.file, orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Closes the file."""
        os.close(self.file)


def parse_answer(line: bytes) -> Answer:
    """Returns the answer of a line of a journal."""
    row: dict[str, Any] = orjson.loads(line)
    row["night"] = date.fromisoformat(row["night"])
    return Answer(**row)


def opened(path: Path) -> BinaryIO:
    """Opens a journal to read; empty if it has been moved into the ledger since it was listed."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return io.BytesIO()


def journal_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of a journal with their places; a last line cut short by a kill is no answer."""
    at = 0
    for line in file:
        if line.endswith(b"}\n"):
            yield at, line
        at += len(line)


def journal_file(lake: Lake, run_id: str) -> Path:
    """Where a run's journal is."""
    return lake.store.path(f"journal/{run_id}.jsonl")


def answer_files(lake: Lake, answer_version: str) -> list[Path]:
    """The files of the ledger that hold answers under a version, by night."""
    return sorted((lake.home / "answers").glob(f"date=*/{answer_version}.parquet"))


def recent_answer_files(lake: Lake, nights: int) -> list[Path]:
    """The files of the ledger of some nights, the latest first."""
    folders = sorted((lake.home / "answers").glob("date=*"), reverse=True)[:nights]
    return [path for folder in folders for path in sorted(folder.glob("*.parquet"))]


@contextlib.contextmanager
def journal(lake: Lake, run_id: str) -> Generator[Journal]:
    """A run's own journal, compacted into the ledger when the run is over."""
    path = journal_file(lake, run_id)
    with lake.lock("journal", run_id):
        writer = Journal(path)
        try:
            yield writer
        finally:
            writer.close()
            move_to_ledger(lake, path)


def move_to_ledger(lake: Lake, path: Path) -> None:
    """Moves a journal's answers into the ledger, then removes it."""
    groups: dict[tuple[date, str], dict[str, Held]] = {}
    with opened(path) as file:
        for at, line in journal_lines(file):
            row = orjson.loads(line)
            group = groups.setdefault((date.fromisoformat(row["night"]), row["answer_version"]), {})
            keep_better(group, Held.of(row, file, at))
        for (night, version), arrived in sorted(groups.items()):
            with lake.lock("answers", version):
                merge(lake, night, version, arrived)
    path.unlink(missing_ok=True)


def merge(lake: Lake, night: date, version: str, arrived: dict[str, Held]) -> None:
    """Adds answers to a file of the ledger, a batch in memory at a time."""
    file = lake.partition("answers", night) / f"{version}.parquet"
    with lake.writing("answers", night, version) as writer:
        for answer in read_answers([file] if file.exists() else []):
            new = arrived.get(answer.content_key)
            if new and new.beats(answer.code, answer.attempts):
                continue
            arrived.pop(answer.content_key, None)
            writer.add(answer)
        for held in sorted(arrived.values(), key=lambda one: one.at):
            writer.add(held.answer())


def recover(lake: Lake) -> int:
    """Moves the journals that dead runs left behind into the ledger; returns how many."""
    moved = 0
    for path in sorted((lake.home / "journal").glob("*.jsonl")):
        with contextlib.suppress(LockHeldError), lake.lock("journal", path.stem, wait=False):
            move_to_ledger(lake, path)
            moved += 1
    return moved


def read_answers(files: Iterable[Path], keys: Collection[str] | None = None) -> Iterator[Answer]:
    """The answers in some files of the ledger; to some contents, or to all."""
    columns = tuple("date" if name == "night" else name for name in Answer.__annotations__)
    for file in files:
        for rows in parquet_batches(file, columns, None if keys is None else (KEY, keys)):
            yield from from_rows(Answer, rows)


class Held(NamedTuple):
    """Where an answer is found, and how it ended."""

    key: str
    code: str | None
    retryable: bool
    attempts: int
    source: Path | BinaryIO
    """A file of the ledger, or an open journal, whose file may be removed while it is read."""
    at: int
    """A journal: the line's first byte."""

    @classmethod
    def of(cls, row: dict[str, Any], source: Path | BinaryIO, at: int = 0) -> Held:
        """From a row of either."""
        return cls(row[KEY], row["code"], row["retryable"], row["attempts"], source, at)

    def beats(self, code: str | None, attempts: int) -> bool:
        """Whether it replaces one found before: a text an error, a later error an earlier."""
        return code is not None and (self.code is None or self.attempts > attempts)

    def answer(self) -> Answer:
        """The answer itself, from a journal."""
        assert not isinstance(self.source, Path)  # noqa: S101  the ledger's are read in batches
        self.source.seek(self.at)
        return parse_answer(self.source.readline())


def keep_better(found: dict[str, Held], new: Held) -> None:
    """Keeps the better of two answers to one content."""
    old = found.get(new.key)
    if old is None or new.beats(old.code, old.attempts):
        found[new.key] = new


class Paid:
    """What is answered under one version, of the contents asked about; texts stay on disk."""

    def __init__(self, found: dict[str, Held]) -> None:
        self.found = found

    def needs(self, key: str) -> bool:
        """Whether a content has to be asked: never answered, or failed in a way that may pass."""
        held = self.found.get(key)
        if held is None:
            return True
        return held.code is not None and held.retryable and held.attempts < RUN_ATTEMPTS

    def attempts(self, key: str) -> int:
        """Returns how many runs got no answer to a content."""
        held = self.found.get(key)
        return held.attempts if held else 0

    def answers(self) -> Iterator[Answer]:
        """Every answer, a batch in memory at a time."""
        by_file: dict[Path, list[str]] = {}
        for held in self.found.values():
            if isinstance(held.source, Path):
                by_file.setdefault(held.source, []).append(held.key)
            else:
                yield held.answer()
        for path, keys in sorted(by_file.items()):
            yield from read_answers([path], keys)


@contextlib.contextmanager
def paid(lake: Lake, answer_version: str, keys: Collection[str]) -> Generator[Paid]:
    """What has been answered of some contents under a version: the ledger, the living journals."""
    found: dict[str, Held] = {}
    with contextlib.ExitStack() as stack:
        paths = sorted((lake.home / "journal").glob("*.jsonl"))
        # Opened before the ledger is listed: one moved meanwhile is seen there or here.
        journals = [stack.enter_context(opened(path)) for path in paths]
        for path in answer_files(lake, answer_version):
            for rows in parquet_batches(path, STANDING, (KEY, keys)):
                for row in rows:
                    keep_better(found, Held.of(row, path))
        for file in journals:
            for held in find_in_journal(file, answer_version, keys):
                keep_better(found, held)
        yield Paid(found)


def find_in_journal(file: BinaryIO, answer_version: str, keys: Collection[str]) -> Iterator[Held]:
    """Yields a journal's answers to some contents; skips lines of other versions unparsed."""
    version = answer_version.encode()
    for at, line in journal_lines(file):
        if version not in line:
            continue
        row = orjson.loads(line)
        if row["answer_version"] == answer_version and row[KEY] in keys:
            yield Held.of(row, file, at)
