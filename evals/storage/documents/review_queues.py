"""The review queue of a night: questions to people, each with its sampling probability."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    """Why it is asked, in words; `random sample`: for no other reason."""
    probability: float | None
    """The probability that a trace is in the queue; null: it was not drawn, as an anchor."""
    reasons: tuple[str, ...] = ()
    """Every reason, the strongest first, such as `guard` or `outlier: latency`."""
    stratum: str = ""
    """The kind of the strongest reason, or `random`; empty in an older queue."""
    rubric_version: str = ""
    """Digest of the question's wording; empty in an older queue."""
    people: int = 1
    """How many people are to judge it."""
    answer: str = ""
    """Digest of the answer that is asked about; empty: nobody has judged the trace yet."""


def locate_queue(night: date) -> str:
    """Returns the name of the document of a night."""
    return f"{FOLDER}/{night}.json"


def read_review_queue(lake: Lake, night: date) -> list[ReviewQuestion]:
    """Reads a night's questions; none if it has no queue."""
    return lake.read_document(locate_queue(night), parse_questions) or []


def parse_questions(rows: list[dict[str, Any]]) -> list[ReviewQuestion]:
    """Returns the document as records."""
    return [ReviewQuestion(**row)._replace(reasons=tuple(row.get("reasons", ()))) for row in rows]


class QueueChange(NamedTuple):
    """A night's queue before and after a change."""

    before: list[ReviewQuestion]
    after: list[ReviewQuestion]

    @property
    def added(self) -> int:
        """How many more questions it has; negative: fewer."""
        return len(self.after) - len(self.before)


def change_review_queue(
    lake: Lake, night: date, change: Callable[[list[ReviewQuestion]], Sequence[ReviewQuestion]]
) -> QueueChange:
    """Replaces a night's queue by what a function makes of it; no other process interferes."""
    with lake.lock("review-queue", night.isoformat()):
        before = read_review_queue(lake, night)
        after = list(change(list(before)))
        if after != before or not lake.store.find_entry(locate_queue(night)):
            lake.replace_document(locate_queue(night), [one._asdict() for one in after])
    return QueueChange(before, after)


def write_review_queue(lake: Lake, night: date, questions: Sequence[ReviewQuestion]) -> None:
    """Replaces a night's queue, whatever it was."""
    change_review_queue(lake, night, lambda _: questions)


def delete_review_queue(lake: Lake, night: date) -> None:
    """Deletes a night's queue."""
    lake.store.delete(locate_queue(night))


def drop_questions(lake: Lake, is_dropped: Callable[[str], bool]) -> int:
    """Removes the questions about some traces from every queue; returns how many."""

    def keep(questions: list[ReviewQuestion]) -> list[ReviewQuestion]:
        return [one for one in questions if not is_dropped(one.trace_id)]

    return -sum(change_review_queue(lake, night, keep).added for night in list_queue_nights(lake))


def list_queue_nights(lake: Lake) -> Iterator[date]:
    """Yields the nights that have a queue, oldest first."""
    yield from map(date.fromisoformat, lake.store.list_stems(FOLDER, ".json"))
