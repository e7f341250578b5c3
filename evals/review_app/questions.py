"""Judging: the queue, and one answer at a time on one criterion.

What a sent verdict does is in `verdict_forms`; comparing people is in `agreement`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from starlette.responses import HTMLResponse, Response

from evals.evaluators.gold import digest_answer
from evals.evaluators.label_wordings import digest_wording
from evals.labels.night_queue import explain_empty
from evals.records import Label, Score
from evals.review_app.case_index import find_case
from evals.review_app.progress import compute_hourly
from evals.review_app.queue_index import Question
from evals.review_app.subjects import draw_subject, read_subject
from evals.review_app.taxonomy import list_tags
from evals.review_app.verdict_index import find_own, is_deferred
from evals.review_app.views import Shown, View, open_view
from evals.review_app.visits import Refused, Visit, page, redirect, render
from evals.review_app.votes import find_dimension, read_vote
from evals.storage.documents.review_drafts import Draft, read_drafts
from evals.storage.documents.review_queues import list_queue_nights

LISTED = 50
STATE_WORDS: dict[Shown, str] = {
    "undecided": "to do",
    "deferred": "deferred by you",
    "decided": "done",
    "disagreement": "people or judges disagree",
    "all": "all",
}


class Opinion(NamedTuple):
    """What somebody, or an evaluator, decided of an answer."""

    who: str
    verdict: str
    """`pass`, `fail`, `defer`, or what an evaluator met instead of a verdict."""
    words: str = ""
    tags: Sequence[str] = ()


class Decision(NamedTuple):
    """What is shown of a question once the visitor has decided it."""

    question: Question
    own: Opinion | None
    others: Sequence[Opinion]
    judges: Sequence[Opinion]
    scores: Sequence[Score]

    @property
    def differs(self) -> bool:
        """Whether somebody else, or an evaluator, decided otherwise."""
        verdicts = {one.verdict for one in (self.own, *self.others, *self.judges) if one}
        return self.own is not None and {"pass", "fail"} <= verdicts


def show_queue(visit: Visit) -> Response:
    """Shows the queue with its filters, and where to begin."""
    view = open_view(visit, visit.query)
    listed = list(islice(view.list_chosen(), LISTED + 1))
    own = view.verdicts.by_annotator.get(view.annotator, ())
    return render(
        visit,
        "queue.html",
        view=view,
        listed=listed[:LISTED],
        has_more=len(listed) > LISTED,
        choices=visit.site.read_queue().choices,
        states=STATE_WORDS,
        progress=view.describe_progress(),
        hourly=compute_hourly(own),
        own=len(own),
        last=find_last_decision(visit, view),
        case_of=partial(find_case, visit.site),
        empty={} if view.queue.questions else explain_nothing(visit),
    )


def explain_nothing(visit: Visit) -> dict[str, str]:
    """Explains by application why nobody is asked about its answers of the last night."""
    lake, catalog = visit.site.lake, visit.site.catalog
    night = max(list_queue_nights(lake), default=None)
    return explain_empty(lake, catalog, catalog.apps, night)


def show_question(visit: Visit) -> Response:
    """Shows one answer and asks about one criterion."""
    question = find_question(visit, visit.params["key"])
    view = open_view(visit, visit.query)
    return show_form(visit, view, question, find_draft(visit, question))


def show_form(
    visit: Visit, view: View, question: Question, draft: Draft | None, problem: str = ""
) -> HTMLResponse:
    """Shows a question with what was written so far."""
    site, may_write = visit.site, visit.session.may_write
    subject = read_subject(site, question)
    if may_write:
        site.leases.take(question.key, visit.session.annotator, site.now())
    decision = describe_decision(visit, view, question)
    app = site.catalog.apps.get(question.row.app)
    return render(
        visit,
        "question.html",
        status=422 if problem else 200,
        view=view,
        question=question,
        subject=subject,
        answer=digest_answer(subject.trace),
        wording=digest_wording(question.row.question),
        form=draw_subject(site, subject, decision.scores if decision else ()),
        app=(app and app.title) or question.row.app,
        tags=list_tags(site, question.row.app),
        draft=draft,
        problem=problem,
        decision=decision,
        last=find_last_decision(visit, view),
        case_of=partial(find_case, visit.site),
        progress=view.describe_progress(),
        place=view.get_place(question),
        later=view.find_next(question.key, skip=make_skip(visit)),
        earlier=view.find_next(question.key, -1),
    )


def open_next(visit: Visit) -> Response:
    """Leads to the next question that is open at nobody else, from the one that a query names."""
    view, key = open_view(visit, visit.query), visit.query.get("from", "")
    following = view.find_next(key, skip=make_skip(visit))
    return redirect(view.link(f"/questions/{following.key}" if following else "/"))


def jump(visit: Visit) -> Response:
    """Leads to a question by its number in the chosen part, or by the id of its trace."""
    view, to = open_view(visit, visit.query), visit.query.get("to", "").strip()
    questions = view.queue.questions
    if len(to) < 10 and to.isascii() and to.isdigit() and 0 < int(to) <= len(questions):
        return redirect(view.link(f"/questions/{questions[int(to) - 1].key}"))
    found = next((one for one in questions if to and one.row.trace_id.startswith(to)), None)
    if found is None:
        raise Refused(404, f"no question {to[:80]!r}: write 1 to {len(questions):,}, or a trace")
    return redirect(view.link(f"/questions/{found.key}"))


def make_skip(visit: Visit) -> Callable[[str], bool]:
    """Returns which questions to leave to others: those that are open at somebody else."""
    leases, annotator, now = visit.site.leases, visit.session.annotator, visit.site.now()
    return lambda key: leases.is_taken(key, annotator, now)


def find_question(visit: Visit, key: str) -> Question:
    """Finds a question by its key.

    Raises:
        Refused: no queue has it.
    """
    question = visit.site.read_queue().by_key.get(key)
    if question is None:
        raise Refused(404, "no queue has this question any more; go back to the queue")
    return question


def find_draft(visit: Visit, question: Question) -> Draft | None:
    """Finds what the visitor wrote about a question so far."""
    if not visit.session.may_write:
        return None
    return read_drafts(visit.site.lake, visit.session.annotator).get(question.key)


def find_last_decision(visit: Visit, view: View) -> Decision | None:
    """Describes the decision that led to this page."""
    question = visit.site.read_queue().by_key.get(visit.query.get("after", ""))
    return describe_decision(visit, view, question) if question else None


def describe_decision(visit: Visit, view: View, question: Question) -> Decision | None:
    """Describes what people and evaluators decided, for somebody who has decided, or a reader."""
    labels = view.list_labels(question)
    own = find_own(labels, view.annotator) if visit.session.may_write else None
    votes = [label for label in labels if not is_deferred(label)]
    if own is None and (visit.session.may_write or not votes):
        return None
    if own and is_deferred(own):
        return Decision(question, describe_label(visit, question, own), (), (), ())
    others = [describe_label(visit, question, one) for one in labels if one is not own]
    scores = visit.site.judges.read([question])[question.key]
    mine = describe_label(visit, question, own) if own else None
    return Decision(question, mine, others, list(map(describe_score, scores)), scores)


def describe_label(visit: Visit, question: Question, label: Label) -> Opinion:
    """Describes a person's label."""
    passed = read_vote(find_dimension(visit.site.catalog, question), label)
    verdict = "defer" if passed is None else "pass" if passed else "fail"
    who = label.annotator
    if label.annotator_kind == "adjudicated":
        who = f"{label.annotator}, adjudicating"
    return Opinion(who, verdict, label.critique, label.tags)


def describe_score(score: Score) -> Opinion:
    """Describes an evaluator's score."""
    words = score.explanation or score.code or ""
    return Opinion(score.evaluator, score.verdict or score.status, words)


ROUTES = (
    page("/", show_queue),
    page("/next", open_next),
    page("/jump", jump),
    page("/questions/{key}", show_question),
)
