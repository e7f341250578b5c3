"""How often people agree, and deciding between those who do not.

The figures are `evals.labels.people_agreement`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from starlette.responses import HTMLResponse, Response

from evals.evaluators.gold import digest_answer
from evals.evaluators.label_wordings import digest_wording
from evals.labels.people_agreement import PeopleAgreement, Vote, count_pairs, pool_pairs
from evals.labels.verdicts import RefusedVerdict, record_label
from evals.records import Label
from evals.reports.phrases import capitalize_first
from evals.review_app.progress import list_paces
from evals.review_app.questions import Opinion, describe_label, describe_score, find_question
from evals.review_app.queue_index import Question
from evals.review_app.subjects import draw_subject, read_subject, read_trace
from evals.review_app.verdict_forms import build_label, describe_change, read_draft
from evals.review_app.views import View, get_about, open_view
from evals.review_app.visits import Refused, Visit, form, page, redirect, render
from evals.review_app.votes import (
    find_adjudication,
    find_dimension,
    group_by_wording,
    is_adjudicated,
    is_disputed,
    list_votes,
)


class DimensionAgreement(NamedTuple):
    """The agreement of people on a dimension."""

    app: str
    dimension: str
    whole: PeopleAgreement
    pairs: Mapping[tuple[str, str], PeopleAgreement]
    """By the names of two people."""


def show_agreement(visit: Visit) -> Response:
    """Shows how often people agree, by dimension and class, and what waits for a decision."""
    view = open_view(visit, {"state": "all"})
    rows = list(compare_dimensions(visit, view))
    disputed = list_disputed(visit, view)
    pairs = pool_pairs(row.whole.table for row in rows).table
    paces = list_paces(one for own in view.verdicts.by_annotator.values() for one in own)
    return render(
        visit,
        "agreement.html",
        rows=rows,
        disputed=disputed,
        compared=pairs.n,
        agreed=pairs.tp + pairs.tn,
        paces=paces,
    )


def compare_dimensions(visit: Visit, view: View) -> Iterator[DimensionAgreement]:
    """Yields the agreement on each dimension that two people judged an answer on."""
    questions: dict[tuple[str, str], list[list[Vote]]] = {}
    for question in view.queue.questions:
        if view.verdicts.is_about(get_about(question)):
            dimension = find_dimension(visit.site.catalog, question)
            own = questions.setdefault((question.row.app, question.row.dimension), [])
            own += [
                list_votes(dimension, one) for one in group_by_wording(view.list_labels(question))
            ]
    for (app, name), votes in questions.items():
        tables = count_pairs(votes)
        if tables:
            pairs = {names: pool_pairs([table]) for names, table in tables.items()}
            yield DimensionAgreement(app, name, pool_pairs(tables.values()), pairs)


def list_disputed(visit: Visit, view: View) -> list[Question]:
    """Lists the questions on which people disagree and nobody has decided.

    Somebody who has to judge one still does not see it here: the list would say how others did.
    """
    return [
        question
        for question in view.queue.questions
        if view.verdicts.is_about(get_about(question))
        and is_disputed(find_dimension(visit.site.catalog, question), view.list_labels(question))
    ]


def show_disputed(visit: Visit) -> Response:
    """Shows a question with all verdicts on it, to decide between people."""
    return show_adjudication(visit, find_question(visit, visit.params["key"]))


def show_adjudication(
    visit: Visit, question: Question, note: str = "", problem: str = ""
) -> HTMLResponse:
    """Shows a question with all verdicts on it, and what was written so far."""
    view, site = open_view(visit, {"state": "all"}), visit.site
    labels, dimension = view.list_labels(question), find_dimension(site.catalog, question)
    if not is_disputed(dimension, labels) and not is_adjudicated(labels):
        raise Refused(409, "nobody disagrees on this answer; judge it in the queue")
    subject = read_subject(site, question)
    scores = site.judges.read([question])[question.key]
    people: Sequence[Opinion] = [describe_label(visit, question, one) for one in labels]
    return render(
        visit,
        "adjudication.html",
        status=422 if problem else 200,
        question=question,
        form=draw_subject(site, subject, scores),
        answer=digest_answer(subject.trace),
        wording=digest_wording(question.row.question),
        decided=name_decision(labels),
        people=people,
        judges=list(map(describe_score, scores)),
        is_disputed=is_disputed(dimension, labels),
        note=note,
        problem=problem,
    )


def name_decision(labels: Sequence[Label]) -> str:
    """Returns the id of the last decision between people; empty where nobody has decided."""
    last = find_adjudication(labels)
    return last.id if last else ""


def save_adjudication(visit: Visit) -> Response:
    """Stores what somebody decided between people, and leads to the next such question."""
    question, site = find_question(visit, visit.params["key"]), visit.site
    draft, verdict = read_draft(visit, question), visit.field("verdict")
    if verdict not in ("pass", "fail"):
        return show_adjudication(visit, question, draft.note, "Choose Pass or Fail.")
    if not draft.note:
        return show_adjudication(visit, question, "", "Write why, so that both can learn from it.")
    trace = read_trace(site, question)
    if changed := describe_change(visit, question, trace):
        return show_adjudication(visit, question, draft.note, changed)
    label = build_label(visit, question, trace, verdict, draft, "adjudicated")
    try:
        record_decision(visit, question, label)
    except RefusedVerdict as error:
        return show_adjudication(visit, question, draft.note, f"{capitalize_first(str(error))}.")
    rest = list_disputed(visit, open_view(visit, {"state": "all"}))
    return redirect(f"/adjudication/{rest[0].key}" if rest else "/agreement")


def record_decision(visit: Visit, question: Question, label: Label) -> None:
    """Records a decision between people; it replaces the one that was shown with the form.

    Raises:
        RefusedVerdict: somebody else decided meanwhile.
        Refused: nobody disagrees.
    """
    site = visit.site
    with site.deciding:
        labels = open_view(visit, {"state": "all"}).list_labels(question)
        before = name_decision(labels)
        if not before and not is_disputed(find_dimension(site.catalog, question), labels):
            raise Refused(409, "nobody disagrees on this answer; judge it in the queue")
        if before and before != visit.field("decided"):
            raise RefusedVerdict("somebody decided meanwhile: read it; yours would replace it")
        replaced = dataclasses.replace(label, supersedes=before or None)
        record_label(site.lake, site.catalog, replaced, site.now())


ROUTES = (
    page("/agreement", show_agreement),
    page("/adjudication/{key}", show_disputed),
    form("/adjudication/{key}", save_adjudication),
)
