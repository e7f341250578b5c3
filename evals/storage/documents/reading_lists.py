"""The traces that people read with open notes: one list per error analysis of an application.

`evals.error_analysis` chooses them; the notes are in `open_notes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from evals.storage.lake import Lake, require_safe_name

FOLDER = "analysis/reading"


class ListedTrace(NamedTuple):
    """A trace to read."""

    trace_id: str
    night: date
    reason: str
    """Why it was chosen, such as `random` or `topic parcel`."""


class ReadingList(NamedTuple):
    """The traces to read in one error analysis."""

    app: str
    started: datetime
    by: str
    traces: tuple[ListedTrace, ...]


def read_reading_list(lake: Lake, app: str) -> ReadingList | None:
    """Reads the newest list of an application; None where none was made."""
    lists = read_reading_lists(lake, app)
    return lists[-1] if lists else None


def read_reading_lists(lake: Lake, app: str) -> list[ReadingList]:
    """Reads every list of an application, oldest first."""
    return lake.read_document(name_file(app), parse_lists) or []


def add_reading_list(lake: Lake, reading: ReadingList) -> None:
    """Adds a list after those there are."""
    with lake.lock("reading-lists", require_safe_name(reading.app)):
        write_lists(lake, reading.app, [*read_reading_lists(lake, reading.app), reading])


def drop_listed(lake: Lake, is_dropped: Callable[[str], bool]) -> int:
    """Removes traces from every list; returns how many."""
    dropped = 0
    for app in list_read_apps(lake):
        with lake.lock("reading-lists", app):
            before = read_reading_lists(lake, app)
            after = [
                one._replace(traces=tuple(t for t in one.traces if not is_dropped(t.trace_id)))
                for one in before
            ]
            if after != before:
                write_lists(lake, app, after)
        dropped += sum(len(one.traces) for one in before) - sum(len(one.traces) for one in after)
    return dropped


def list_read_apps(lake: Lake) -> list[str]:
    """Lists the applications that have a list."""
    return lake.store.list_stems(FOLDER, ".json")


def write_lists(lake: Lake, app: str, lists: Sequence[ReadingList]) -> None:
    """Replaces the document of an application's lists."""
    rows = [
        {
            **one._asdict(),
            "started": one.started.isoformat(),
            "traces": [{**row._asdict(), "night": row.night.isoformat()} for row in one.traces],
        }
        for one in lists
    ]
    lake.replace_document(name_file(app), rows, durable=True)


def name_file(app: str) -> str:
    """Returns the name of the document of an application's lists."""
    return f"{FOLDER}/{require_safe_name(app)}.json"


def parse_lists(rows: list[dict[str, Any]]) -> list[ReadingList]:
    """Returns the document as records."""
    return [
        ReadingList(
            row["app"],
            datetime.fromisoformat(row["started"]),
            row["by"],
            tuple(
                ListedTrace(one["trace_id"], date.fromisoformat(one["night"]), one["reason"])
                for one in row["traces"]
            ),
        )
        for row in rows
    ]
