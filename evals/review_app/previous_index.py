"""How the prompt before answered the requests of the queue, looked for many at a time.

A search reads a month of traces; a page asks for one answer, and the next page for the next one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from evals.records import Trace
from evals.reports.previous_answers import find_previous, list_recent_nights
from evals.review_app.queue_index import Question, Queue
from evals.storage.lake import Lake
from evals.storage.store import FileState, read_file_states

LOOKED_THROUGH = 32_000_000
"""Bytes of traces in which the answer of the prompt before is looked for: a person waits."""
AT_A_TIME = 200
"""Questions whose earlier answers are looked for together."""
KEPT = 8
"""The last searches that are remembered."""


class Search(NamedTuple):
    """What a search found."""

    stamp: tuple[FileState, ...]
    """The files that were looked through."""
    looked_for: frozenset[str]
    found: Mapping[str, Trace]


class PreviousIndex:
    """Earlier answers to the requests of questions, searched anew where a night changed."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.lock = threading.Lock()
        self.searches: OrderedDict[tuple[date, str], Search] = OrderedDict()

    def find(self, question: Question, queue: Queue) -> Trace | None:
        """Finds how the prompt before answered the request of a question.

        Args:
            question: the question that is shown.
            queue: has the questions that follow it.
        """
        trace_id, about = question.row.trace_id, (question.night, question.row.app)
        with self.lock:
            nights = list_recent_nights(self.lake, question.night, LOOKED_THROUGH)
            stamp = read_file_states(self.lake.list_files("traces", nights))
            before = self.searches.get(about)
            if before is None or before.stamp != stamp or trace_id not in before.looked_for:
                ids = list_following(question, queue)
                found = find_previous(self.lake, *about, ids, LOOKED_THROUGH)
                before = Search(stamp, frozenset(ids), found)
            self.searches[about] = before
            self.searches.move_to_end(about)
            while len(self.searches) > KEPT:
                self.searches.popitem(last=False)
            return before.found.get(trace_id)


def list_following(question: Question, queue: Queue) -> list[str]:
    """Lists the trace of a question, and those of its night and application that follow it."""
    at = queue.places.get(question.key, len(queue.questions))
    following = queue.questions[at : at + AT_A_TIME]
    about = question.night, question.row.app
    ids = [one.row.trace_id for one in following if (one.night, one.row.app) == about]
    return list(dict.fromkeys([question.row.trace_id, *ids]))
