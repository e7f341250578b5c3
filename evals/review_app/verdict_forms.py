"""What is sent while judging: verdicts, unfinished notes, and taking the last verdict back.

The pages with these forms are in `questions`.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from evals.evaluators.gold import digest_answer
from evals.evaluators.label_wordings import digest_wording
from evals.labels.verdicts import RefusedVerdict, record_label, withdraw_label
from evals.records import AnnotatorKind, Label, Trace
from evals.reports.phrases import capitalize_first
from evals.review_app.questions import find_draft, find_question, make_skip, show_form
from evals.review_app.queue_index import Question, make_key
from evals.review_app.subjects import read_trace
from evals.review_app.views import open_view
from evals.review_app.visits import Refused, Visit, form, redirect
from evals.storage.documents.review_drafts import Draft, delete_draft, write_draft

VERDICTS = ("pass", "fail", "defer")
LONGEST_TAG, MOST_TAGS = 80, 20
LONGEST_S = 3600.0
"""The most seconds of work on one verdict that are believed."""
NO_REASON = "Write what is wrong, or choose a tag: a failure without a reason teaches nobody."


def save_verdict(visit: Visit) -> Response:
    """Stores a verdict and leads to the next question."""
    view = open_view(visit, visit.list_fields())
    question, annotator = find_question(visit, visit.params["key"]), visit.session.annotator
    draft = read_draft(visit, question)
    verdict = visit.field("verdict")
    if verdict not in VERDICTS:
        return show_form(visit, view, question, draft, "Choose Pass, Fail or Defer.")
    if verdict == "fail" and not draft.note and not draft.tags:
        return show_form(visit, view, question, draft, NO_REASON)
    site, trace = visit.site, read_trace(visit.site, question)
    if changed := describe_change(visit, question, trace):
        return show_form(visit, view, question, draft, changed)
    following = view.find_next(question.key, skip=make_skip(visit))
    try:
        label = build_label(visit, question, trace, verdict, draft)
        record_label(site.lake, site.catalog, label, site.now())
    except RefusedVerdict as error:
        return show_form(visit, view, question, draft, f"{capitalize_first(str(error))}.")
    delete_draft(site.lake, annotator, question.key)
    if following is None or following.key == question.key:
        return redirect(view.link("/", after=question.key))
    return redirect(view.link(f"/questions/{following.key}", after=question.key))


def describe_change(visit: Visit, question: Question, trace: Trace) -> str:
    """Describes what changed since a form was shown; empty: its verdict is of what is stored."""
    shown = {"answer": digest_answer(trace), "wording": digest_wording(question.row.question)}
    for name, present in shown.items():
        if visit.field(name) not in ("", present):
            what = "answer was replaced" if name == "answer" else "question was changed"
            return f"The {what} while you read it: read it again, and judge what is here now."
    return ""


def read_draft(visit: Visit, question: Question) -> Draft:
    """Reads the verdict that a form has on a question."""
    return Draft(
        trace_id=question.row.trace_id,
        note=visit.read_note(),
        tags=read_tags(visit.form.get("tag", ())),
        seconds=read_seconds(visit.field("seconds")) or 0.0,
        time=visit.site.now(),
    )


def read_tags(given: Sequence[str]) -> tuple[str, ...]:
    """Reads the tags of a form; leaves out what no failure mode could be called."""
    tags = (tag.strip() for tag in given)
    return tuple(dict.fromkeys(tag for tag in tags if 0 < len(tag) <= LONGEST_TAG))[:MOST_TAGS]


def read_seconds(text: str) -> float | None:
    """Reads the seconds of work that the script counted; None where they are unbelievable."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return round(seconds, 2) if 0 < seconds <= LONGEST_S else None


def build_label(
    visit: Visit,
    question: Question,
    trace: Trace,
    verdict: str,
    draft: Draft,
    kind: AnnotatorKind = "human",
) -> Label:
    """Builds the label of a verdict, or of a decision between people (`adjudicated`)."""
    row = question.row
    return Label(
        subject_id=row.trace_id,
        dimension=row.labels,
        verdict=verdict,
        annotator=visit.session.annotator,
        annotator_kind=kind,
        critique=draft.note,
        answer=digest_answer(trace),
        rubric_version=digest_wording(row.question),
        time=visit.site.now(),
        seconds_spent=draft.seconds or None,
        sampling_probability=row.probability,
        tags=draft.tags,
    )


def save_draft(visit: Visit) -> Response:
    """Keeps an unfinished note, which the script sends while somebody writes."""
    question = find_question(visit, visit.params["key"])
    draft = read_draft(visit, question)
    write_draft(visit.site.lake, visit.session.annotator, question.key, draft)
    return Response(status_code=204)


def undo_verdict(visit: Visit) -> Response:
    """Takes the visitor's last verdict back, and opens it again with its note."""
    view = open_view(visit, visit.list_fields())
    annotator, site = visit.session.annotator, visit.site
    last = next(reversed(view.verdicts.by_annotator.get(annotator, ())), None)
    if last is None:
        raise Refused(409, "there is nothing to undo: you have given no verdict here")
    try:
        withdraw_label(site.lake, last.id, annotator, site.now())
    except RefusedVerdict as error:
        raise Refused(409, str(error)) from error
    question = site.read_queue().by_key.get(make_key(last.subject_id, last.dimension))
    if question is None:
        return redirect(view.link("/"))
    if find_draft(visit, question) is None:
        seconds = last.seconds_spent or 0.0
        draft = Draft(last.subject_id, last.critique, last.tags, seconds, site.now())
        write_draft(site.lake, annotator, question.key, draft)
    return redirect(view.link(f"/questions/{question.key}", undone="1"))


ROUTES = (
    form("/questions/{key}/verdict", save_verdict),
    form("/questions/{key}/draft", save_draft),
    form("/undo", undo_verdict),
)
