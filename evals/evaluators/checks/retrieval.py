"""Comparisons of the retrieved passages with those that gold names as relevant.

Passages are the documents of a trace's steps, best first; a trace that records none is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from pydantic import Field

from evals.evaluators.checks.tool_calls import Document, list_documents
from evals.evaluators.code_checks import NO_GOLD, Examples, Params, Result, check, quoted
from evals.evaluators.normal_form import normalize_text
from evals.records import Failure, Json, Outcome, Skip, Trace

Grades: TypeAlias = Mapping[str, float]
"""How relevant a passage is, by its id or its text in normal form."""
BAD_GOLD = Failure(
    "bad-gold", "gold is not a list of ids or texts, nor a map of such to a grade of 0 or more"
)


class TopPassages(Params):
    """Params of `recall_at_k`."""

    k: int = Field(default=5, ge=1, description="the first passages that count")
    at_least: float = Field(default=1.0, ge=0, le=1, description="the figure that passes")


class ReciprocalRank(TopPassages):
    """Params of `mrr`."""

    k: int = Field(default=10, ge=1, description="the first passages that count")
    at_least: float = Field(default=0.5, ge=0, le=1, description="the figure that passes")


class Gain(TopPassages):
    """Params of `ndcg`."""

    k: int = Field(default=10, ge=1, description="the first passages that count")
    at_least: float = Field(default=0.8, ge=0, le=1, description="the figure that passes")


def read_grades(gold: Json) -> Grades | Failure | Skip:
    """Reads which passages are relevant: a list, {"documents": …}, or a grade for each."""
    value = gold["documents"] if isinstance(gold, dict) and "documents" in gold else gold
    if value is None:
        return NO_GOLD
    if isinstance(value, str | list):
        names = value if isinstance(value, list) else [value]
        value = {name: 1 for name in names if isinstance(name, str)}
        if len(value) < len(names):
            return BAD_GOLD
    if not isinstance(value, dict):
        return BAD_GOLD
    grades: dict[str, float] = {}
    for name, grade in value.items():
        if not isinstance(grade, int | float) or grade < 0:
            return BAD_GOLD
        grades |= {normalize_text(name): float(grade)} if grade else {}
    return grades or NO_GOLD


def grade_documents(documents: Sequence[Document], grades: Grades) -> list[float]:
    """Returns the grade of each document, each relevant passage once."""
    left, found = dict(grades), list[float]()
    for document in documents:
        keys = (normalize_text(document.id), normalize_text(document.content))
        key = next((key for key in keys if key and key in left), None)
        found.append(left.pop(key) if key is not None else 0.0)
    return found


class Figure(Protocol):
    """A figure of a ranking, 0 to 1."""

    def __call__(self, found: Sequence[float], ideal: Sequence[float], k: int) -> float:
        """Computes the figure.

        Args:
            found: the grades of the first k passages, at most.
            ideal: all grades of gold, the highest first; at least one.
            k: the passages that count.
        """
        ...


def judge_ranking(trace: Trace, params: TopPassages, gold: Json, figure: Figure) -> Result:
    """Passes where a figure of the ranking is high enough."""
    grades = read_grades(gold)
    if isinstance(grades, Failure | Skip):
        return grades
    documents = list_documents(trace.steps)
    if not documents:
        return Skip("no-documents")
    found = grade_documents(documents, grades)
    ideal = sorted(grades.values(), reverse=True)
    value = round(figure(found[: params.k], ideal, params.k), 4)
    passed = value >= params.at_least
    first = next((n for n, grade in enumerate(found, 1) if grade), None)
    where = f"the first relevant passage is number {first}" if first else "no relevant passage"
    words = f"{value:.2f}, at least {params.at_least:g}: {where} of {len(found)}"
    return Outcome(passed, value, "" if passed else quoted(words, 200))


def recall(found: Sequence[float], ideal: Sequence[float], k: int) -> float:
    """The share of the relevant passages among the first k."""
    return sum(grade > 0 for grade in found) / len(ideal)


def reciprocal_rank(found: Sequence[float], ideal: Sequence[float], k: int) -> float:
    """One over the rank of the first relevant passage among the first k; 0 without one."""
    return next((1 / rank for rank, grade in enumerate(found, 1) if grade > 0), 0.0)


def gain(found: Sequence[float], ideal: Sequence[float], k: int) -> float:
    """NDCG at k: discounted grades over those of the best order (Järvelin & Kekäläinen 2002)."""

    def discount(grades: Sequence[float]) -> float:
        return math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))

    return discount(found) / discount(ideal[:k])


FOUND: list[Json] = [
    {"kind": "retrieval", "name": "search", "documents": [{"id": "doc-3"}, {"id": "doc-7"}]}
]
MISSED: list[Json] = [
    {"kind": "retrieval", "name": "search", "documents": [{"id": "doc-1"}, {"id": "doc-2"}]}
]


@check(
    "recall_at_k",
    kind="reference",
    reads=("steps",),
    needs_gold=True,
    behaviour=1,
    params=TopPassages,
    examples=Examples(gold=["doc-7"], passes={"steps": FOUND}, fails={"steps": MISSED}),
)
def recall_at_k(trace: Trace, params: TopPassages, gold: Json) -> Result:
    """Enough of the relevant passages are among the first k; value is the share."""
    return judge_ranking(trace, params, gold, recall)


@check(
    "mrr",
    kind="reference",
    reads=("steps",),
    needs_gold=True,
    behaviour=1,
    params=ReciprocalRank,
    examples=Examples(gold=["doc-7"], passes={"steps": FOUND}, fails={"steps": MISSED}),
)
def mrr(trace: Trace, params: ReciprocalRank, gold: Json) -> Result:
    """The first relevant passage comes early; value is the reciprocal of its rank.

    The mean of the values over a night is the mean reciprocal rank.
    """
    return judge_ranking(trace, params, gold, reciprocal_rank)


@check(
    "ndcg",
    kind="reference",
    reads=("steps",),
    needs_gold=True,
    behaviour=1,
    params=Gain,
    examples=Examples(
        params={"k": 2},
        gold={"doc-3": 2, "doc-7": 1},
        passes={"steps": FOUND},
        fails={"steps": MISSED},
    ),
)
def ndcg(trace: Trace, params: Gain, gold: Json) -> Result:
    """The more relevant a passage, the earlier it comes; value is the nDCG at k."""
    return judge_ranking(trace, params, gold, gain)
