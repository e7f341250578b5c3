"""The part of the queue that a visitor chose, and how far it is.

What is shown of a question is in `questions`; the filters' widgets are in `queue.html`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlencode

from evals.labels.review_queue import REGRADE
from evals.records import Label
from evals.review_app.progress import describe_progress, estimate_seconds
from evals.review_app.queue_index import Question, Queue, Selection
from evals.review_app.site import ReviewSite
from evals.review_app.verdict_index import About, State, Verdicts, find_own, find_state
from evals.review_app.visits import Visit
from evals.review_app.votes import find_dimension, list_votes, read_vote

Shown = Literal["undecided", "deferred", "decided", "disagreement", "all"]
STATES: tuple[Shown, ...] = get_args(Shown)


class View(NamedTuple):
    """The part of the queue that a visitor chose."""

    queue: Queue
    verdicts: Verdicts
    annotator: str
    """Empty for a reader."""
    selection: Selection
    state: Shown
    disagreements: Callable[[], frozenset[str]]
    """Finds the keys of the questions on which people or judges disagree."""

    def list_labels(self, question: Question) -> list[Label]:
        """Lists people's labels of a question that count."""
        return select_current(question, self.verdicts.list_labels(get_about(question)))

    def find_state(self, question: Question) -> State:
        """Returns whether the visitor still has to answer a question."""
        about = get_about(question)
        if not self.verdicts.is_about(about):
            return "undecided"
        labels = select_current(question, self.verdicts.list_labels(about))
        return find_state(labels, self.annotator, people=question.row.people)

    def list_chosen(self) -> Iterator[Question]:
        """Lists the questions in the chosen state."""
        includes = self.make_filter()
        return (question for question in self.queue.questions if includes(question))

    def make_filter(self) -> Callable[[Question], bool]:
        """Returns whether a question is in the chosen state."""
        if self.state == "disagreement":
            keys = self.disagreements()
            return lambda question: question.key in keys
        if self.state == "all":
            return lambda question: True
        return lambda question: self.find_state(question) == self.state

    def find_next(
        self, key: str, step: int = 1, skip: Callable[[str], bool] = lambda key: False
    ) -> Question | None:
        """Finds the next question in the chosen state; after the last one comes the first.

        Args:
            key: the question from which to go.
            step: 1 or -1.
            skip: which keys to leave out while there are others.
        """
        questions, includes = self.queue.questions, self.make_filter()
        at = self.queue.places.get(key, -1)
        order = chain(range(at + 1, len(questions)), range(max(at, 0)))
        places = order if step > 0 else range(at - 1, -1, -1)
        left_out: Question | None = None
        for place in places:
            question = questions[place]
            if includes(question):
                if not skip(question.key):
                    return question
                left_out = left_out or question
        return left_out

    def describe_progress(self) -> str:
        """Describes how far the visitor is."""
        answered = self.count_answered()
        by_annotator = self.verdicts.by_annotator
        seconds = estimate_seconds(by_annotator.get(self.annotator, ()))
        if seconds is None:  # nothing of one's own yet: as long as the others take
            seconds = estimate_seconds([one for own in by_annotator.values() for one in own])
        return describe_progress(answered, len(self.queue.questions), seconds)

    def count_answered(self) -> int:
        """Counts the questions that the visitor need not answer any more."""
        by_about = self.queue.by_about
        judged = {*self.verdicts.given, *self.verdicts.imported} & by_about.keys()
        return sum(self.find_state(by_about[about]) != "undecided" for about in judged)

    def get_place(self, question: Question) -> int:
        """Returns the number of a question in the chosen part, from 1; 0: it is not in it."""
        return self.queue.places.get(question.key, -1) + 1

    def link(self, path: str, **more: object) -> str:
        """Returns an address that keeps the choice."""
        state = "" if self.state == "undecided" else self.state
        chosen = {**self.selection._asdict(), "state": state, **more}
        query = urlencode({k: v for k, v in chosen.items() if v != ""}, errors="replace")
        return f"{path}?{query}" if query else path


def open_view(visit: Visit, values: Mapping[str, str]) -> View:
    """Opens the part of the queue that a query or a form names."""
    selection = Selection(*(values.get(name, "") for name in Selection._fields))
    state = read_state(values.get("state", ""))
    visit.site.read_queue()
    queue, verdicts = visit.site.queue.select(selection), visit.site.verdicts.read()
    annotator = visit.session.annotator if visit.session.may_write else ""

    def find_disagreements() -> frozenset[str]:
        return frozenset(list_disagreements(visit.site, queue, verdicts, annotator))

    return View(queue, verdicts, annotator, selection, state, find_disagreements)


def read_state(text: str) -> Shown:
    """Reads the state of a query; anything else is what is open."""
    states: dict[str, Shown] = {state: state for state in STATES}
    return states.get(text, "undecided")


def list_disagreements(
    site: ReviewSite, queue: Queue, verdicts: Verdicts, annotator: str
) -> Iterator[str]:
    """Lists the keys of questions on which people, or a person and a judge, disagree.

    An annotator learns of those alone that the annotator has decided.
    """
    judged = [
        question
        for about in (*verdicts.given, *verdicts.imported)
        if (question := queue.by_about.get(about))
    ]
    scores = site.judges.read(judged)
    catalog = site.catalog
    for question in judged:
        labels = select_current(question, verdicts.list_labels(get_about(question)))
        own = find_own(labels, annotator)
        if annotator and (own is None or own.status == "deferred"):
            continue
        dimension = find_dimension(catalog, question)
        people = {vote.passed for vote in list_votes(dimension, labels)}
        people |= {vote for one in labels if (vote := read_vote(dimension, one)) is not None}
        judges = {one.verdict == "pass" for one in scores[question.key] if one.verdict}
        if people and len(people | judges) > 1:
            yield question.key


def get_about(question: Question) -> About:
    """Returns what the labels of a question are about."""
    return question.row.trace_id, question.row.labels


def select_current(question: Question, labels: Sequence[Label]) -> list[Label]:
    """Returns the labels that answer a question: of its present answer, in its present wording.

    An earlier wording counts as long as nobody is asked again.
    """
    row = question.row
    current = [one for one in labels if one.answer in ("", row.answer) or not row.answer]
    if row.stratum != REGRADE:
        return current
    return [one for one in current if one.rubric_version == row.rubric_version]
