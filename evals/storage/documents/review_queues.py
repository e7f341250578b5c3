"""A night's review queue: what people are asked, each with the chance it had to be in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from evals.storage.lake import Lake

FOLDER = "review"


class ReviewQuestion(NamedTuple):
    """One question to a person: a trace and the dimension to judge it on."""

    trace_id: str
    app: str
    dimension: str
    labels: str
    """The dimension name its labels use."""
    question: str
    reason: str
    """`random sample`, or which evaluator failed it."""
    probability: float | None
    """The chance a trace had to be asked about; null for those that were picked."""


def read_review_queue(lake: Lake, night: date) -> list[ReviewQuestion]:
    """A night's questions; none where it has no queue."""
    rows: list[dict[str, Any]] = lake.read_document(f"{FOLDER}/{night}.json") or []
    return [ReviewQuestion(**row) for row in rows]


def write_review_queue(lake: Lake, night: date, questions: Iterable[ReviewQuestion]) -> None:
    """Replaces a night's queue."""
    lake.replace_document(f"{FOLDER}/{night}.json", [one._asdict() for one in questions])


def delete_review_queue(lake: Lake, night: date) -> None:
    """Removes a night's queue."""
    lake.store.delete(f"{FOLDER}/{night}.json")


def drop_questions(lake: Lake, gone: Callable[[str], bool]) -> int:
    """Takes the questions about some traces out of every queue; returns how many."""
    dropped = 0
    for night in nights_with_queue(lake):
        questions = read_review_queue(lake, night)
        kept = [one for one in questions if not gone(one.trace_id)]
        if len(kept) < len(questions):
            write_review_queue(lake, night, kept)
            dropped += len(questions) - len(kept)
    return dropped


def nights_with_queue(lake: Lake) -> Iterator[date]:
    """The nights that have a queue, oldest first."""
    for name in lake.store.list_names(f"{FOLDER}/*.json"):
        yield date.fromisoformat(name.removeprefix(f"{FOLDER}/").removesuffix(".json"))
