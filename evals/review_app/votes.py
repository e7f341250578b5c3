"""People's labels of a question as passes and failures, in the words of the suites.

Which labels there are is `verdict_index`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from evals.evaluators.label_verdicts import map_verdict
from evals.evaluators.label_wordings import name_wording
from evals.labels.mapped_labels import list_every_dimension
from evals.labels.people_agreement import Vote
from evals.records import Label, Outcome
from evals.review_app.queue_index import Question
from evals.review_app.verdict_index import is_deferred
from evals.specs import Catalog, Dimension


def find_dimension(catalog: Catalog, question: Question) -> Dimension | None:
    """Finds the dimension of a question; None where the catalog has it no longer."""
    every = list_every_dimension(catalog, question.row.app)
    return next((one for one in every if one.dimension == question.row.dimension), None)


def read_vote(dimension: Dimension | None, label: Label) -> bool | None:
    """Returns whether a label passes its answer; None where it decides nothing."""
    if is_deferred(label):
        return None
    if dimension is None:
        return {"pass": True, "fail": False}.get(str(label.verdict))
    mapping = dimension.label_rules.map_for(label.annotator_kind)
    result = map_verdict(mapping, label.verdict)
    return result.passed if isinstance(result, Outcome) else None


def list_votes(dimension: Dimension | None, labels: Sequence[Label]) -> list[Vote]:
    """Lists the last vote of each person, without adjudications."""
    votes = {
        label.annotator: passed
        for label in labels
        if label.annotator_kind == "human" and (passed := read_vote(dimension, label)) is not None
    }
    return [Vote(annotator, passed) for annotator, passed in votes.items()]


def group_by_wording(labels: Sequence[Label]) -> list[list[Label]]:
    """Groups labels of a question by its wording when they were given.

    A label without a recorded wording goes with the others where these have one wording.
    """
    wordings = {name_wording(one) for one in labels} - {""}
    usual = wordings.pop() if len(wordings) == 1 else ""
    groups: dict[str, list[Label]] = {}
    for label in labels:
        groups.setdefault(name_wording(label) or usual, []).append(label)
    return list(groups.values())


def find_adjudication(labels: Sequence[Label]) -> Label | None:
    """Finds the last decision between people."""
    decided = (one for one in reversed(labels) if one.annotator_kind == "adjudicated")
    return next((one for one in decided if not is_deferred(one)), None)


def is_adjudicated(labels: Sequence[Label]) -> bool:
    """Whether somebody has decided between people."""
    return find_adjudication(labels) is not None


def is_disputed(dimension: Dimension | None, labels: Sequence[Label]) -> bool:
    """Whether people disagree on a question, and nobody has decided between them."""
    groups = group_by_wording(labels)
    differ = any(len({vote.passed for vote in list_votes(dimension, own)}) > 1 for own in groups)
    return differ and not is_adjudicated(labels)
