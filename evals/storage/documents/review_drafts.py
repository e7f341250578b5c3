"""What a person is writing on the review page, before it is a label: it survives a reload.

One document for each annotator. A draft ends with the verdict, and unfinished ones after a month.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from evals.records import digest
from evals.storage.lake import Lake

FOLDER = "review_drafts"
MAX_AGE = timedelta(days=30)


class Draft(NamedTuple):
    """An unfinished verdict."""

    trace_id: str
    note: str
    tags: tuple[str, ...]
    seconds: float
    """Seconds of work on it so far."""
    time: datetime
    """When it was last written."""


def read_drafts(lake: Lake, annotator: str) -> Mapping[str, Draft]:
    """Reads an annotator's drafts by question."""
    return lake.read_document(name_document(annotator), parse_drafts) or {}


def write_draft(lake: Lake, annotator: str, question: str, draft: Draft) -> None:
    """Replaces the draft of a question, and deletes those that are too old."""

    def change(drafts: dict[str, Draft]) -> None:
        for key in [key for key, one in drafts.items() if draft.time - one.time > MAX_AGE]:
            del drafts[key]
        drafts[question] = draft

    change_drafts(lake, name_document(annotator), change)


def delete_draft(lake: Lake, annotator: str, question: str) -> None:
    """Deletes the draft of a question."""
    if question in read_drafts(lake, annotator):
        change_drafts(lake, name_document(annotator), lambda drafts: drafts.pop(question, None))


def drop_drafts(lake: Lake, is_dropped: Callable[[str], bool]) -> int:
    """Deletes the drafts about some traces; returns how many."""
    dropped = 0
    for name in lake.store.list_names(f"{FOLDER}/*.json"):
        drafts = lake.read_document(name, parse_drafts) or {}
        keys = [key for key, draft in drafts.items() if is_dropped(draft.trace_id)]
        if keys:
            change_drafts(lake, name, lambda one, keys=keys: [one.pop(key, None) for key in keys])
            dropped += len(keys)
    return dropped


def change_drafts(lake: Lake, name: str, change: Callable[[dict[str, Draft]], object]) -> None:
    """Changes a document of drafts under its lock."""
    with lake.lock("review_drafts"):
        drafts = dict(lake.read_document(name, parse_drafts) or {})
        change(drafts)
        lake.replace_document(name, {key: one._asdict() for key, one in drafts.items()})


def name_document(annotator: str) -> str:
    """Returns the name of an annotator's document: a hash, for a name may be anything."""
    return f"{FOLDER}/{digest(annotator, 20)}.json"


def parse_drafts(rows: dict[str, dict[str, Any]]) -> dict[str, Draft]:
    """Returns the document as records."""
    return {
        key: Draft(
            trace_id=row["trace_id"],
            note=row["note"],
            tags=tuple(row["tags"]),
            seconds=float(row["seconds"]),
            time=datetime.fromisoformat(row["time"]),
        )
        for key, row in rows.items()
    }
