"""The questions of every night's queue by a short key, in the order in which people read them.

Reads a night's queue again only after it changed; no trace is read here.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.records import digest
from evals.storage.damage import report
from evals.storage.documents.review_queues import (
    ReviewQuestion,
    list_queue_nights,
    locate_queue,
    read_review_queue,
)
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.store import Entry

KEY_LENGTH = 16


class Question(NamedTuple):
    """A question to a person."""

    key: str
    night: date
    row: ReviewQuestion


class Selection(NamedTuple):
    """What a visitor chose to see; empty: all."""

    app: str = ""
    dimension: str = ""
    reason: str = ""

    def includes(self, question: Question) -> bool:
        """Whether a question is among those chosen."""
        row = question.row
        return (
            self.app in ("", row.app)
            and self.dimension in ("", row.dimension)
            and self.reason in ("", name_reason(row))
        )


class Queue(NamedTuple):
    """The questions of all nights, newest night first, each criterion in one run."""

    questions: tuple[Question, ...]
    by_key: Mapping[str, Question]
    places: Mapping[str, int]
    """The place of each key in the order."""
    by_about: Mapping[tuple[str, str], Question]
    """By trace and by the labels' name of the dimension."""
    choices: Mapping[str, Sequence[str]]
    """The applications, dimensions and reasons there are."""


class QueueIndex:
    """The queue of a home, read anew where a night's document changed."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.lock = threading.Lock()
        self.nights: dict[date, tuple[Entry, list[Question]]] = {}
        self.stamp: tuple[Entry, ...] = ()
        self.asked = self.queue = build_queue({})
        self.added: frozenset[str] = frozenset()
        self.selected: dict[Selection, Queue] = {}

    def add(self, questions: Sequence[Question]) -> Queue:
        """Returns the queue with questions that it does not have any more."""
        with self.lock:
            keys = frozenset(question.key for question in questions)
            if keys != self.added:
                self.queue = index_questions([*self.asked.questions, *questions])
                self.added, self.selected = keys, {}
            return self.queue

    def read(self) -> Queue:
        """Returns the present queue, as it was drawn."""
        with self.lock:
            entries = {
                night: entry
                for night in list_queue_nights(self.lake)
                if (entry := self.lake.store.find_entry(locate_queue(night)))
            }
            stamp = tuple(entries.values())
            if stamp != self.stamp:
                for night, entry in entries.items():
                    if night not in self.nights or self.nights[night][0] != entry:
                        self.nights[night] = entry, list_questions(self.lake, night)
                self.nights = {night: self.nights[night] for night in entries}
                drawn = {night: rows for night, (_, rows) in self.nights.items()}
                self.asked = self.queue = build_queue(drawn)
                self.stamp, self.added, self.selected = stamp, frozenset(), {}
            return self.asked

    def select(self, selection: Selection) -> Queue:
        """Returns the part of the queue that a visitor chose; `ReviewSite.read_queue` reads it."""
        with self.lock:
            queue = self.queue
            if selection == Selection():
                return queue
            if selection not in self.selected:
                if len(self.selected) >= 64:
                    self.selected.clear()
                chosen = [one for one in queue.questions if selection.includes(one)]
                self.selected[selection] = index_questions(chosen)
            return self.selected[selection]


def name_reason(row: ReviewQuestion) -> str:
    """Returns the kind of reason for which a question is asked."""
    return row.stratum or row.reason


def make_key(trace_id: str, labels: str) -> str:
    """Returns the key of a question in addresses: ids may be anything."""
    return digest([trace_id, labels], KEY_LENGTH)


def list_questions(lake: Lake, night: date) -> list[Question]:
    """Lists the questions of a night, each criterion of an application in one run."""
    try:
        rows = read_review_queue(lake, night)
    except DamagedFileError as error:
        report(str(error))
        return []
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        first.setdefault((row.app, row.dimension), len(first))
    ordered = sorted(rows, key=lambda row: (row.app, first[row.app, row.dimension]))
    return [Question(make_key(row.trace_id, row.labels), night, row) for row in ordered]


def build_queue(nights: Mapping[date, Sequence[Question]]) -> Queue:
    """Puts the nights together; a question of several nights is asked once, in the newest."""
    by_key: dict[str, Question] = {}
    for night in sorted(nights, reverse=True):
        for question in nights[night]:
            by_key.setdefault(question.key, question)
    return index_questions(list(by_key.values()))


def index_questions(questions: Sequence[Question]) -> Queue:
    """Indexes questions in their order."""
    rows = [question.row for question in questions]
    return Queue(
        tuple(questions),
        {question.key: question for question in questions},
        {question.key: place for place, question in enumerate(questions)},
        {(question.row.trace_id, question.row.labels): question for question in questions},
        {
            "app": sorted({row.app for row in rows}),
            "dimension": sorted({row.dimension for row in rows}),
            "reason": sorted(set(map(name_reason, rows))),
        },
    )
