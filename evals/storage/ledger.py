"""Paid answers: the journal of a run, the ledger it is merged into, and an index over both.

An answer is looked up by content × answer_version; scores are derived from it without a call.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from evals.records import Answer
from evals.storage.appending import append_whole
from evals.storage.damage import report
from evals.storage.documents.answer_files import add_answer_file
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.locks import LockHeldError
from evals.storage.parquet_files import stream_rows, verify_files
from evals.storage.record_tables import build_records

KEY = "content_key"
STATUS_COLUMNS = (KEY, "code", "retryable", "attempts", "route")


def build_repeat_key(key: str, nth: int) -> str:
    """Returns the key of a content's nth answer under one version; the first has the content's."""
    return key if nth == 1 else f"{key}.{nth}"


def find_first_key(key: str) -> str:
    """Returns the key of the first answer to the content that a key is about."""
    return key.partition(".")[0]


class Journal:
    """Answers as they arrive: one line each, written before the next request is sent."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, answer: Answer) -> None:
        """Adds one answer, which survives the death of the process at any later moment.

        Raises:
            OSError: it was not written, as on a full disk; earlier and later answers are not lost.
        """
        line = orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE)
        append_whole(self.path, self.descriptor, line)

    def close(self) -> None:
        """Closes the file."""
        os.close(self.descriptor)


@contextlib.contextmanager
def open_journal(lake: Lake, run_id: str) -> Generator[Journal]:
    """Opens a run's own journal to append to; merges it into the ledger at the end."""
    path = locate_journal(lake, run_id)
    with lake.lock("journal", run_id):
        journal = Journal(path)
        try:
            yield journal
        finally:
            journal.close()
            merge_journal(lake, path)


def locate_journal(lake: Lake, run_id: str) -> Path:
    """Returns the path of a run's journal."""
    return lake.store.path(f"journal/{run_id}.jsonl")


def list_journals(lake: Lake) -> list[Path]:
    """Lists the journals that are not merged into the ledger yet."""
    return sorted(lake.store.path("journal").glob("*.jsonl"))


def open_journal_file(path: Path) -> BinaryIO:
    """Opens a journal to read; empty if it has been merged into the ledger since it was listed."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return io.BytesIO()


def read_journal_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields a journal's lines with their offsets; skips a last line that a kill cut short."""
    offset = 0
    for line in file:
        if line.endswith(b"}\n"):
            yield offset, line
        offset += len(line)


def read_journal_rows(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the answers of a journal as rows, with their offsets; reports damaged lines."""
    for offset, line in read_journal_lines(file):
        try:
            row: dict[str, Any] = orjson.loads(line)
            build_answer(row)
        except (ValueError, TypeError, KeyError):
            where = f"{file.name}: the line at byte {offset} is damaged"
            report(f"{where}; its answer is lost, and is asked and paid again where it is needed")
            continue
        yield offset, row


def parse_answer(line: bytes) -> Answer:
    """Returns the answer of a line of a journal."""
    return build_answer(orjson.loads(line))


def build_answer(row: Mapping[str, Any]) -> Answer:
    """Builds the answer of a row of a journal.

    Raises:
        ValueError, TypeError, KeyError: when the row is damaged.
    """
    fields: dict[str, Any] = {**row, "night": date.fromisoformat(row["night"])}
    return Answer(**fields)


def list_answer_files(lake: Lake, answer_version: str) -> list[Path]:
    """Lists the ledger's files with answers under a version, oldest night first."""
    return sorted(lake.store.path("answers").glob(f"date=*/{answer_version}.parquet"))


def list_recent_answer_files(lake: Lake, nights: int) -> list[Path]:
    """Lists the ledger's files of the latest nights, latest night first."""
    folders = sorted(lake.store.path("answers").glob("date=*"), reverse=True)[:nights]
    return [path for folder in folders for path in sorted(folder.glob("*.parquet"))]


def read_answers(files: Iterable[Path], keys: Collection[str] | None = None) -> Iterator[Answer]:
    """Yields the answers of some files of the ledger: to all contents, or to those given."""
    columns = tuple("date" if name == "night" else name for name in Answer.__annotations__)
    for file in files:
        for rows in stream_rows(file, columns, None if keys is None else (KEY, keys)):
            yield from build_records(Answer, rows)


class Entry(NamedTuple):
    """An answer in an index: how it ended, and where its text is."""

    key: str
    code: str | None
    retryable: bool
    attempts: int
    source: Path | BinaryIO
    """A file of the ledger, or an open journal, whose file may be removed while it is read."""
    offset: int
    """The first byte of its line in a journal; 0 in the ledger."""
    route: str = ""
    """The settings it was asked with; see `Answer.route`."""
    night: str = ""
    """The night that paid for it, in ISO form."""

    def replaces(self, code: str | None, attempts: int) -> bool:
        """Whether it replaces an answer that ended so.

        A text replaces an error and an earlier text, which was repeated because it gave no
        verdict; an error replaces an earlier error.
        """
        if self.code is None:
            return code is not None or self.attempts > attempts
        return code is not None and self.attempts > attempts

    def read_line(self) -> Answer:
        """Reads the answer from its line in a journal."""
        assert not isinstance(self.source, Path)  # noqa: S101  the ledger is read in batches
        self.source.seek(self.offset)
        return parse_answer(self.source.readline())


def build_entry(row: Mapping[str, Any], source: Path | BinaryIO, offset: int = 0) -> Entry:
    """Returns the entry of a row of the ledger or of a journal."""
    status = (row[KEY], row["code"], row["retryable"], row["attempts"])
    night = row.get("night") or Path(str(source)).parent.name.removeprefix("date=")
    return Entry(*status, source, offset, row.get("route") or "", night)


def add_entry(entries: dict[str, Entry], new: Entry) -> None:
    """Adds an entry, unless there is a better one to its content."""
    old = entries.get(new.key)
    if old is None or new.replaces(old.code, old.attempts):
        entries[new.key] = new


class AnswerIndex:
    """The answers to some contents under one version; their texts are read on demand."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries

    def count_attempts(self, key: str) -> int:
        """Returns how many runs got no answer to a content."""
        entry = self.entries.get(key)
        return entry.attempts if entry else 0

    def read_answers(self) -> Iterator[Answer]:
        """Yields every answer, a batch in memory at a time."""
        by_file: dict[Path, list[str]] = {}
        for entry in self.entries.values():
            if isinstance(entry.source, Path):
                by_file.setdefault(entry.source, []).append(entry.key)
            else:
                yield entry.read_line()
        for path, keys in sorted(by_file.items()):
            yield from read_answers([path], keys)


@contextlib.contextmanager
def open_index(lake: Lake, answer_version: str, keys: Collection[str]) -> Generator[AnswerIndex]:
    """Opens an index of the answers to some contents under a version.

    Covers the ledger and the journals of runs under way.
    """
    entries: dict[str, Entry] = {}
    with contextlib.ExitStack() as stack:
        # Opened before the ledger is listed: one merged meanwhile is seen there or here.
        journals = [stack.enter_context(open_journal_file(path)) for path in list_journals(lake)]
        for path in list_answer_files(lake, answer_version):
            for row in read_statuses(path, keys):
                add_entry(entries, build_entry(row, path))
        for file in journals:
            for entry in find_in_journal(file, answer_version, keys):
                add_entry(entries, entry)
        yield AnswerIndex(entries)


def read_statuses(path: Path, keys: Collection[str]) -> list[dict[str, Any]]:
    """Reads how the answers to some contents ended; none of a damaged file, which is reported."""
    try:
        batches = stream_rows(path, STATUS_COLUMNS, (KEY, keys))
        rows = [row for batch in batches for row in batch]
        verify_files([path] if rows else [])
    except DamagedFileError as error:
        report(str(error))
        return []
    return rows


def read_costs(lake: Lake, day: date) -> Iterator[tuple[str, float]]:
    """Yields the application and the cost of each answer that was asked live on a day."""
    columns = ("app", "cost_usd", "created", "batch")
    files = lake.store.path("answers").glob("date=*/*.parquet")
    recent = (f for f in files if datetime.fromtimestamp(f.stat().st_mtime, UTC).date() >= day)
    for path in select_intact(sorted(recent)):
        for row in (row for rows in stream_rows(path, columns) for row in rows):
            created = row["created"]
            is_of_day = created is None or datetime.fromtimestamp(created, UTC).date() == day
            if is_of_day and not row.get("batch"):
                yield row["app"], row["cost_usd"] or 0.0


def select_intact(paths: Iterable[Path]) -> Iterator[Path]:
    """Yields the files that can be read; reports the others."""
    for path in paths:
        try:
            verify_files([path])
        except DamagedFileError as error:
            report(str(error))
            continue
        yield path


def find_in_journal(file: BinaryIO, answer_version: str, keys: Collection[str]) -> Iterator[Entry]:
    """Yields a journal's answers to some contents; skips lines of other versions unparsed."""
    version = answer_version.encode()
    for offset, line in read_journal_lines(file):
        if version not in line:
            continue
        try:
            row: dict[str, Any] = orjson.loads(line)
            if row["answer_version"] != answer_version or row[KEY] not in keys:
                continue
            build_answer(row)
        except (ValueError, TypeError, KeyError):  # `merge_journal` reports it
            continue
        yield build_entry(row, file, offset)


def recover_journals(lake: Lake) -> int:
    """Merges the journals of dead runs into the ledger; returns how many."""
    merged = 0
    for path in list_journals(lake):
        with contextlib.suppress(LockHeldError), lake.lock("journal", path.stem, wait=False):
            try:
                merge_journal(lake, path)
            except DamagedFileError as error:
                report(f"{error}; {path} waits until then")
                continue
            merged += 1
    return merged


def merge_journal(lake: Lake, path: Path) -> None:
    """Merges a journal's answers into the ledger, then removes the journal."""
    groups: dict[tuple[date, str], dict[str, Entry]] = {}
    with open_journal_file(path) as file:
        for offset, row in read_journal_rows(file):
            group = groups.setdefault((date.fromisoformat(row["night"]), row["answer_version"]), {})
            add_entry(group, build_entry(row, file, offset))
        for (night, version), entries in sorted(groups.items()):
            with lake.lock("answers", version):
                merge_entries(lake, night, version, entries)
    path.unlink(missing_ok=True)


def merge_entries(lake: Lake, night: date, version: str, entries: dict[str, Entry]) -> None:
    """Merges a journal's answers into one file of the ledger, a batch in memory at a time."""
    file = lake.locate_partition("answers", night) / f"{version}.parquet"
    is_new = not file.exists()
    with lake.open_writer("answers", night, version) as writer:
        for answer in read_answers([file] if file.exists() else []):
            new = entries.get(answer.content_key)
            if new and new.replaces(answer.code, answer.attempts):
                continue
            entries.pop(answer.content_key, None)
            writer.add(answer)
        for entry in sorted(entries.values(), key=lambda entry: entry.offset):
            writer.add(entry.read_line())
    if is_new:
        add_answer_file(lake, file)
