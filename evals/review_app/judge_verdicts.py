"""What evaluators decided of the answers in the queue, shown after a person has decided.

Reads the scores of the evaluator versions that a night is reported with.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.evaluators.label_verdicts import PEOPLE
from evals.records import Score
from evals.review_app.queue_index import Question
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files
from evals.storage.store import FileState, read_file_states


class NightScores(NamedTuple):
    """The scores of some traces of a night."""

    stamp: tuple[FileState, ...]
    read: frozenset[str]
    """The traces that were looked for."""
    by_question: Mapping[tuple[str, str], Sequence[Score]]
    """By trace and dimension."""


class JudgeIndex:
    """The evaluators' verdicts on questions, read once while a night's scores do not change."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.lock = threading.Lock()
        self.nights: dict[date, NightScores] = {}

    def read(self, questions: Iterable[Question]) -> dict[str, list[Score]]:
        """Reads the evaluators' verdicts on some questions, by the questions' keys."""
        wanted: dict[date, list[Question]] = {}
        for question in questions:
            wanted.setdefault(question.night, []).append(question)
        found: dict[str, list[Score]] = {}
        for night, asked in wanted.items():
            scores = self.read_night(night, {one.row.trace_id for one in asked})
            for one in asked:
                about = one.row.trace_id, one.row.dimension
                found[one.key] = list(scores.by_question.get(about, ()))
        return found

    def read_night(self, night: date, traces: Collection[str]) -> NightScores:
        """Reads the scores of some traces of a night, beside those that were read before."""
        with self.lock:
            files = list_locked_files(self.lake, "scores", [night])
            stamp, before = read_file_states(files), self.nights.get(night)
            if before is None or before.stamp != stamp:
                before = NightScores(stamp, frozenset(), {})
            missing = set(traces) - before.read
            if missing:
                by_question = {about: list(rows) for about, rows in before.by_question.items()}
                for file in files:
                    for score in self.lake.stream_file("scores", file, ("trace_id", missing)):
                        if score.evaluator not in PEOPLE:
                            about = score.trace_id, score.dimension
                            by_question.setdefault(about, []).append(score)
                before = NightScores(stamp, before.read | missing, by_question)
            self.nights[night] = before
            return before
