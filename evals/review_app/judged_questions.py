"""Questions that were answered here and are in no queue any more, since their night was drawn anew.

They stay on the page: for progress, undo, agreement and adjudication.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from evals.evaluators.label_verdicts import is_from_people
from evals.labels.mapped_labels import list_every_dimension
from evals.review_app.queue_index import Question, make_key
from evals.specs import Catalog, Dimension
from evals.storage.documents.review_queues import ReviewQuestion
from evals.storage.lake import Lake
from evals.storage.verdict_files import VerdictRow

REASON = "judged before"


class JudgedQuestions:
    """Finds questions by their verdicts, and remembers the night of each trace."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.nights: dict[str, date] = {}

    def build(self, catalog: Catalog, rows: Iterable[VerdictRow]) -> list[Question]:
        """Builds the questions of some verdicts; leaves out those whose trace is gone."""
        judged = [row for row in rows if is_from_people(row.label)]
        self.find_nights(judged)
        names = {app: name_dimensions(catalog, app) for app in {row.app for row in judged}}
        return [
            build_question(row, dimension, self.nights[row.label.subject_id])
            for row in judged
            if (dimension := names[row.app].get(row.label.dimension))
            and row.label.subject_id in self.nights
        ]

    def find_nights(self, rows: Iterable[VerdictRow]) -> None:
        """Finds the nights of the traces that were not looked for before."""
        wanted: dict[date, set[str]] = {}
        for row in rows:
            for night in row.nights if row.label.subject_id not in self.nights else ():
                wanted.setdefault(night, set()).add(row.label.subject_id)
        for night, ids in wanted.items():
            for trace in self.lake.stream_night("traces", night, ("trace_id", ids)):
                self.nights[trace.trace_id] = night


def name_dimensions(catalog: Catalog, app: str) -> Mapping[str, Dimension]:
    """Returns the dimensions of an application by the labels' name."""
    return {one.labels_name: one for one in list_every_dimension(catalog, app)}


def build_question(row: VerdictRow, dimension: Dimension, night: date) -> Question:
    """Builds the question that a verdict answered."""
    label = row.label
    about = (label.subject_id, row.app, dimension.dimension, label.dimension, dimension.question)
    asked = ReviewQuestion(*about, REASON, label.sampling_probability, answer=label.answer)
    return Question(make_key(label.subject_id, label.dimension), night, asked)
