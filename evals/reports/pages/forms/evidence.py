"""What an answer rests on: the steps of the application, and passages with support marked.

Which sentences support an answer is `passage_marks`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from evals.records import Json, Trace
from evals.reports.pages.forms.text import CODE, PLAIN, describe_rest, render_text
from evals.reports.pages.passage_marks import Piece, mark_support
from evals.reports.pages.texts import cut_text
from evals.reports.phrases import indent_json

SHOWN_STEPS, SHOWN_PASSAGES = 60, 40
METHODS = {
    "overlap": "shares at least half of the words of a sentence of the answer",
    "quoted": "quoted by an evaluator",
}
"""Why a sentence is marked."""
MARKED = Markup('<mark class="{}" title="{}">{}</mark>')


class Step(NamedTuple):
    """Something that the application did on the way."""

    kind: str
    name: str
    took_ms: float | None
    failed: bool
    text: Markup


class MarkedText(NamedTuple):
    """A passage, with the sentences marked that support the answer."""

    name: str
    score: float | None
    size: int
    """Characters of all of it."""
    marked: int
    """Sentences that are marked."""
    text: Markup


class Evidence(NamedTuple):
    """What an answer rests on."""

    passages: Sequence[MarkedText]
    context: MarkedText | None
    steps: Sequence[Step]
    left_steps: int
    methods: Sequence[str]
    """By which sentences were marked."""


class Answered(NamedTuple):
    """What passages are compared with."""

    answer: str
    words: Sequence[str]
    """Of the evaluators."""


def build_evidence(trace: Trace, words: Sequence[str], most: int) -> Evidence:
    """Builds what the answer of a trace rests on.

    Args:
        trace: the trace.
        words: what evaluators wrote about its answer.
        most: characters of a text, at most.
    """
    answered = Answered(indent_json(trace.output), words)
    methods: set[str] = set()
    passages = [
        mark_passage(document, answered, most, methods)
        for document in list_documents(trace)[:SHOWN_PASSAGES]
    ]
    context = trace.context or ""
    marked = mark_passage({"content": context}, answered, most, methods) if context else None
    steps = build_steps(trace, most)
    return Evidence(passages, marked, steps, len(trace.steps) - len(steps), sorted(methods))


def list_documents(trace: Trace) -> list[Json]:
    """Lists the documents that the steps retrieved."""
    found = [step.get("documents") for step in trace.steps if isinstance(step, dict)]
    return [
        document for documents in found if isinstance(documents, list) for document in documents
    ]


def mark_passage(document: Json, answered: Answered, most: int, methods: set[str]) -> MarkedText:
    """Marks a passage; adds to `methods` those by which sentences were marked."""
    fields = document if isinstance(document, dict) else {"content": document}
    text = indent_json(fields.get("content", document))
    score = fields.get("score")
    cut = cut_text(text, most)
    pieces = mark_support(cut.text, *answered)
    methods |= {piece.why for piece in pieces if piece.why}
    form = CODE if is_json(text) else PLAIN
    shown = form.format(Markup().join(map(render_piece, pieces)))
    return MarkedText(
        name=str(fields.get("id") or ""),
        score=float(score) if isinstance(score, int | float) else None,
        size=len(text),
        marked=sum(bool(piece.why) for piece in pieces),
        text=shown + describe_rest(cut),
    )


def render_piece(piece: Piece) -> Markup:
    """Renders a piece of a passage."""
    if not piece.why:
        return Markup.escape(piece.text)
    return MARKED.format(piece.why, METHODS[piece.why], piece.text)


def is_json(text: str) -> bool:
    """Whether a text looks like JSON."""
    return text[:1] in ("{", "[")


def build_steps(trace: Trace, most: int) -> list[Step]:
    """Builds what the application did, in order."""
    return [build_step(step, most) for step in trace.steps[:SHOWN_STEPS]]


def build_step(step: Json, most: int) -> Step:
    """Builds one step; what is no object is shown as it is."""
    fields = step if isinstance(step, dict) else {}
    took = fields.get("latency_ms")
    return Step(
        kind=str(fields.get("kind") or "step"),
        name=str(fields.get("name") or ""),
        took_ms=float(took) if isinstance(took, int | float) else None,
        failed=bool(fields.get("error")),
        text=render_text(indent_json(step), most),
    )
