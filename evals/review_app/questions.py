"""Judging: the queue, and one answer at a time on one criterion.

Comparing people is in `agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from evals.evaluators.gold import digest_answer
from evals.records import Label, Trace, digest
from evals.review_app.progress import compute_hourly, describe_progress, estimate_seconds
from evals.review_app.queue_index import Question, Queue, Selection
from evals.review_app.rendering import MenuEntry
from evals.review_app.verdict_index import State, Verdicts, find_own, find_state
from evals.review_app.visits import Refused, Visit, form, page, redirect, render

LISTED = 50
STATES = ("undecided", "deferred", "decided", "all")
LONGEST_S = 3600.0
"""The most seconds of work on one verdict that are believed."""


class View(NamedTuple):
    """The part of the queue that a visitor chose, and how far it is."""

    queue: Queue
    verdicts: Verdicts
    annotator: str
    selection: Selection
    state: str
    """One of `STATES`."""

    def find_state(self, question: Question) -> State:
        """Returns whether the visitor still has to answer a question."""
        return find_state(self.list_labels(question), self.annotator)

    def list_labels(self, question: Question) -> list[Label]:
        """Lists people's labels of a question."""
        return list(self.verdicts.by_question.get((question.row.trace_id, question.row.labels), ()))

    def includes(self, question: Question) -> bool:
        """Whether a question is in the state that the visitor chose."""
        return self.state == "all" or self.find_state(question) == self.state

    def find_next(self, key: str, step: int = 1) -> Question | None:
        """Finds the next question in the chosen state, from the beginning after the last one."""
        questions = self.queue.questions
        at = self.queue.places.get(key, -1 if step > 0 else len(questions))
        order = (
            chain(range(at + 1, len(questions)), range(at)) if step > 0 else range(at - 1, -1, -1)
        )
        return next((questions[i] for i in order if self.includes(questions[i])), None)

    def describe_progress(self) -> str:
        """Describes how far the visitor is."""
        answered = sum(
            self.find_state(question) != "undecided"
            for question in self.queue.questions
            if (question.row.trace_id, question.row.labels) in self.verdicts.by_question
        )
        own = self.verdicts.by_annotator.get(self.annotator, ())
        seconds = estimate_seconds(own)
        return describe_progress(answered, len(self.queue.questions), seconds)

    def link(self, path: str, **more: object) -> str:
        """Returns an address that keeps the choice."""
        chosen = {**self.selection._asdict(), "state": self.state} | more
        query = urlencode({k: v for k, v in chosen.items() if v not in ("", None)})
        return f"{path}?{query}" if query else path


def open_view(visit: Visit, values: Mapping[str, str]) -> View:
    """Opens the part of the queue that a query or a form names."""
    selection = Selection(*(values.get(name, "") for name in Selection._fields))
    state = values.get("state", "undecided")
    return View(
        visit.site.queue.select(selection),
        visit.site.verdicts.read(),
        visit.session.annotator,
        selection,
        state if state in STATES else "undecided",
    )


def show_queue(visit: Visit) -> Response:
    """Shows the queue with its filters, and where to begin."""
    view = open_view(visit, visit.query)
    listed = [one for one in view.queue.questions if view.includes(one)]
    own = view.verdicts.by_annotator.get(view.annotator, ())
    return render(
        visit,
        "queue.html",
        view=view,
        listed=listed[:LISTED],
        count=len(listed),
        choices=visit.site.queue.read().choices,
        states=STATES,
        progress=view.describe_progress(),
        hourly=compute_hourly(own),
        own=len(own),
    )


def show_question(visit: Visit) -> Response:
    """Shows one answer and asks about one criterion."""
    view = open_view(visit, visit.query)
    question = find_question(visit, visit.params["key"])
    trace = read_trace(visit, question)
    own = find_own(view.list_labels(question), view.annotator)
    return render(
        visit,
        "question.html",
        view=view,
        question=question,
        trace=trace,
        own=own,
        app=visit.site.catalog.apps.get(question.row.app),
        progress=view.describe_progress(),
        later=view.find_next(question.key),
        earlier=view.find_next(question.key, -1),
    )


def find_question(visit: Visit, key: str) -> Question:
    """Finds a question by its key.

    Raises:
        Refused: no queue has it.
    """
    question = visit.site.queue.read().by_key.get(key)
    if question is None:
        raise Refused(404, "no queue has this question any more; go back to the queue")
    return question


def read_trace(visit: Visit, question: Question) -> Trace:
    """Reads the trace of a question.

    Raises:
        Refused: it was deleted, or left its night.
    """
    wanted = "trace_id", [question.row.trace_id]
    trace = next(visit.site.lake.stream_night("traces", question.night, wanted), None)
    if trace is None:
        raise Refused(410, "this answer was deleted, or left its night; go back to the queue")
    return trace


def save_verdict(visit: Visit) -> Response:
    """Stores a verdict and leads to the next question."""
    view = open_view(visit, {name: visit.field(name) for name in visit.form})
    question = find_question(visit, visit.params["key"])
    verdict = visit.field("verdict")
    if verdict not in ("pass", "fail", "defer"):
        raise Refused(422, "choose Pass, Fail or Defer")
    trace = read_trace(visit, question)
    own = find_own(view.list_labels(question), view.annotator)
    store_label(visit, build_label(visit, question, trace, verdict, own))
    following = view.find_next(question.key)
    if following is None:
        return redirect(view.link("/", after=question.key))
    return redirect(view.link(f"/questions/{following.key}", after=question.key))


def build_label(
    visit: Visit, question: Question, trace: Trace, verdict: str, own: Label | None
) -> Label:
    """Builds the label of a verdict; it replaces the annotator's last one of the question."""
    row = question.row
    return Label(
        subject_id=row.trace_id,
        dimension=row.labels,
        verdict=verdict,
        annotator=visit.session.annotator,
        annotator_kind="human",
        critique=visit.field("note").strip(),
        answer=digest_answer(trace),
        rubric_version=digest(row.question),
        time=visit.site.now(),
        seconds_spent=read_seconds(visit.field("seconds")),
        sampling_probability=row.probability,
        supersedes=own.id if own else None,
    )


def read_seconds(text: str) -> float | None:
    """Reads the seconds of work that the script counted; None where they are unbelievable."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return round(seconds, 1) if 0 < seconds <= LONGEST_S else None


def store_label(visit: Visit, label: Label) -> None:
    """Stores a label."""
    from evals.storage.label_records import write_labels

    write_labels(visit.site.lake, [label], f"review-{digest([repr(label)])}")


MENU = (MenuEntry("/", "Queue"),)

ROUTES = (
    page("/", show_queue),
    page("/questions/{key}", show_question),
    form("/questions/{key}/verdict", save_verdict),
)
