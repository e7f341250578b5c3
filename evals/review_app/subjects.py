"""What a question is about, as a person reads it: its trace or session, and the right answer.

How it is drawn is `evals.reports.pages.natural_form`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from evals.records import GoldValue, Score, Trace
from evals.reports.pages.natural_form import render_natural_form
from evals.review_app.queue_index import Question
from evals.review_app.site import ReviewSite
from evals.review_app.visits import Refused
from evals.review_app.votes import find_dimension
from evals.specs.review_templates import read_review_template


class Subject(NamedTuple):
    """What a question is about."""

    traces: tuple[Trace, ...]
    """The trace; of a session all its turns, the oldest first."""
    gold: tuple[GoldValue, ...]
    previous: Trace | None
    """How the prompt before answered the same request."""

    @property
    def trace(self) -> Trace:
        """The trace that the question names."""
        return self.traces[-1]


def read_subject(site: ReviewSite, question: Question) -> Subject:
    """Reads what a question is about.

    Raises:
        Refused: it was deleted, or left its night.
    """
    trace, lake, night = read_trace(site, question), site.lake, question.night
    trace_id = trace.trace_id
    gold = site.right_answers.find(trace, site.gold.read(trace_id))
    previous = site.previous.find(question, site.queue.queue)
    dimension = find_dimension(site.catalog, question)
    if dimension is None or dimension.subject == "trace" or trace.session_id is None:
        return Subject((trace,), gold, previous)
    turns: Sequence[Trace] = [
        one
        for one in lake.stream_night("traces", night, ("session_id", [trace.session_id]))
        if one.app == trace.app and one.trace_id != trace_id and one.ts <= trace.ts
    ]
    return Subject((*sorted(turns, key=lambda one: one.ts), trace), gold, previous)


def read_trace(site: ReviewSite, question: Question) -> Trace:
    """Reads the trace that a question names.

    Raises:
        Refused: it was deleted, or left its night.
    """
    wanted = "trace_id", [question.row.trace_id]
    trace: Trace | None = next(site.lake.stream_night("traces", question.night, wanted), None)
    if trace is None:
        raise Refused(410, "this answer was deleted, or left its night; go on to the next one")
    return trace


def draw_subject(site: ReviewSite, subject: Subject, scores: Sequence[Score]) -> Markup:
    """Draws a subject; evaluators' quotations are marked where their verdicts are shown."""
    words = [score.explanation for score in scores if score.explanation]
    app = site.catalog.apps.get(subject.trace.app)
    return render_natural_form(
        subject.traces,
        gold=subject.gold,
        previous=subject.previous,
        template=read_review_template(site.catalog.root, app),
        words=words,
    )
