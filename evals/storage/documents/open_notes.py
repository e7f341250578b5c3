"""The open notes of people who read traces: what broke first, and where. Append-only.

A corrected note supersedes the one before it and leaves it in the file; `evals.error_analysis`
writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, NamedTuple, cast

from evals.records import Json, Verdict, digest
from evals.storage.checksums import format_rows, read_lines, verify_checksum
from evals.storage.damage import detect_damage
from evals.storage.lake import Lake, require_safe_name

FOLDER = "analysis/notes"


class OpenNote(NamedTuple):
    """What one person wrote about one trace, before there were categories."""

    app: str
    trace_id: str
    night: date
    verdict: Verdict
    """`fail`: something broke; `pass`: the trace was read and nothing did."""
    text: str
    """What broke first, in the person's words."""
    place: str
    """The place in the trace where it broke, such as `step:3`; empty: not marked."""
    failing_state: str
    """The name of that place, such as `tool search`; empty: not marked."""
    last_good_state: str
    """The name of the place before it."""
    author: str
    time: datetime
    """In UTC."""
    answer: str
    """Digest of the answer it was written about."""
    prompt_version: str | None = None
    """Of the trace."""
    seconds_spent: float | None = None
    thread: str = ""
    """The id of its first wording, which failure modes refer to; empty: this one."""
    is_withdrawn: bool = False
    """Whether the person took the note back."""
    id: str = ""

    @property
    def key(self) -> str:
        """The id by which failure modes refer to the note through all its wordings."""
        return self.thread or self.id


def add_note(lake: Lake, note: OpenNote) -> OpenNote:
    """Appends a note, after those that any other process added; survives a power cut.

    Returns:
        The note with its id.
    """
    with lake.lock("open-notes", require_safe_name(note.app)):
        history = read_note_history(lake, note.app)
        row = encode_note(note)
        stored = note._replace(id=digest([row, len(history)], 16))
        write_notes(lake, note.app, [*history, stored])
    return stored


def read_notes(lake: Lake, app: str) -> list[OpenNote]:
    """Reads the last wording of each note that was not withdrawn, in the order of the first."""
    latest = {note.key: note for note in read_note_history(lake, app)}
    return [note for note in latest.values() if not note.is_withdrawn]


def read_note_history(lake: Lake, app: str) -> list[OpenNote]:
    """Reads every note ever written on an application, oldest first.

    Raises:
        DamagedFileError: the file is damaged.
    """
    name = name_file(app)
    data = lake.store.read(name)
    if data is None:
        return []
    with detect_damage(lake.store.path(name)):
        rows = verify_checksum(read_lines(data))
        return [parse_note(cast("dict[str, Any]", row)) for row in cast("list[Json]", rows)]


def write_notes(lake: Lake, app: str, notes: Iterable[OpenNote]) -> None:
    """Replaces the file of an application's notes."""
    rows: list[Json] = [encode_note(note) for note in notes]
    lake.store.replace(name_file(app), format_rows(rows), durable=True)


def drop_notes(lake: Lake, is_dropped: Callable[[OpenNote], bool]) -> dict[str, set[str]]:
    """Deletes notes, all wordings of them; returns the keys of those deleted, by application."""
    dropped: dict[str, set[str]] = {}
    for app in list_noted_apps(lake):
        with lake.lock("open-notes", app):
            history = read_note_history(lake, app)
            keys = {note.key for note in history if is_dropped(note)}
            if keys:
                write_notes(lake, app, (note for note in history if note.key not in keys))
                dropped[app] = keys
    return dropped


def empty_notes(lake: Lake, is_emptied: Callable[[str], bool], mark: str) -> int:
    """Replaces the words of the notes on some traces; returns how many notes that changed."""
    emptied = 0
    for app in list_noted_apps(lake):
        with lake.lock("open-notes", app):
            before = read_note_history(lake, app)
            after = [
                note._replace(text=mark) if note.text and is_emptied(note.trace_id) else note
                for note in before
            ]
            if after != before:
                write_notes(lake, app, after)
                emptied += sum(old != new for old, new in zip(before, after, strict=True))
    return emptied


def list_noted_apps(lake: Lake) -> list[str]:
    """Lists the applications with notes."""
    return lake.store.list_stems(FOLDER, ".jsonl")


def name_file(app: str) -> str:
    """Returns the name of the file with an application's notes."""
    return f"{FOLDER}/{require_safe_name(app)}.jsonl"


def encode_note(note: OpenNote) -> dict[str, Json]:
    """Returns a note as a row."""
    times: dict[str, Json] = {"night": note.night.isoformat(), "time": note.time.isoformat()}
    return {**note._asdict(), **times}


def parse_note(row: dict[str, Any]) -> OpenNote:
    """Returns the note of a row."""
    times = {
        "night": date.fromisoformat(row["night"]),
        "time": datetime.fromisoformat(row["time"]),
    }
    values: dict[str, Any] = {**row, **times}
    return OpenNote(**values)
