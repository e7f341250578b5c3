"""The page of a trace: its conversation, what each evaluator decided, and where it came from.

Which traces have one is `failing_answers`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evals.records import Json, Label, Trace
from evals.reports.failing_answers import FailingNight, Given, list_failed
from evals.reports.pages.answers import name_list
from evals.reports.pages.environment import load_environment
from evals.reports.pages.passage_marks import Piece, mark_support
from evals.reports.pages.texts import CutText, cut_text, find_source_link
from evals.reports.phrases import indent_json
from evals.reports.report import Report
from evals.reports.similar_traces import EXCERPT, Similar
from evals.storage.answer_pages import TRACES, name_trace_page

LARGEST = 900_000
"""Bytes of a page, at most: of a trace that needs more, texts are cut."""
TEXT = 120_000
"""Characters of one text before anything is cut."""
SHOWN_TURNS, SHOWN_STEPS, SHOWN_PASSAGES = 40, 60, 40


class Turn(NamedTuple):
    """A message of the conversation."""

    role: str
    text: CutText


class Step(NamedTuple):
    """Something that the application did on the way."""

    kind: str
    name: str
    took_ms: float | None
    failed: bool
    text: CutText


class Passage(NamedTuple):
    """A document that the application retrieved."""

    name: str
    score: float | None
    text: CutText
    pieces: Sequence[Piece]
    """The text, with the sentences marked that support the answer."""


class Marked(NamedTuple):
    """What an answer is compared with, to mark what supports it."""

    answer: str
    words: Sequence[str]
    """Of the evaluators."""


class Near(NamedTuple):
    """A trace like this one, with its page."""

    similar: Similar
    asked: CutText
    href: str


class Beside(NamedTuple):
    """The failing answers before and after one, in the order of the lists."""

    before: str | None
    after: str | None


def find_beside(failing: FailingNight) -> dict[str, Beside]:
    """Finds the pages before and after that of each failing answer."""
    names = [name_trace_page(trace) for trace in failing.traces]
    before, after = [None, *names][:-1], [*names, None][1:]
    rows = zip(failing.traces, before, after, strict=True)
    return {trace: Beside(*pages) for trace, *pages in rows}


def render_trace(
    trace: Trace,
    report: Report,
    failing: FailingNight,
    beside: Beside | None,
    similar: Sequence[Similar] = (),
) -> tuple[str, str]:
    """Renders the page of a trace; returns its name below the night's folder, and the page."""
    given = failing.given[trace.trace_id]
    labels = failing.labels.get(trace.trace_id, ())
    most = TEXT
    while True:
        page = render_cut(trace, report, given, labels, beside, similar, most)
        if len(page.encode("utf-8", "replace")) <= LARGEST or most < 100:
            return f"{TRACES}/{name_trace_page(trace.trace_id)}", page
        most //= 4


def render_cut(
    trace: Trace,
    report: Report,
    given: Sequence[Given],
    labels: Sequence[Label],
    beside: Beside | None,
    similar: Sequence[Similar],
    most: int,
) -> str:
    """Renders a trace's page with texts of a length."""
    failed = list_failed(given)
    marked = Marked(
        str(indent_json(trace.output)), [row.explanation for row in given if row.explanation]
    )
    passages = list_passages(trace, marked, most)
    context = cut_text(trace.context or "", most)
    context_pieces = mark_support(context.text, *marked)
    turns = list_turns(trace, most)
    steps = list_steps(trace, most)
    return (
        load_environment()
        .get_template("trace.html")
        .render(
            trace=trace,
            report=report,
            failed=[(name, name_list(name)) for name in failed],
            given=[
                (row, cut_text(row.explanation or "", most))
                for row in sorted(given, key=lambda row: row.verdict != "fail")
            ],
            labels=[(label, cut_text(label.critique, most)) for label in labels],
            earlier=turns[:-1] if len(turns) > 2 else [],
            turns=turns[-1:] if len(turns) > 2 else turns,
            left_turns=max(len(trace.messages) - SHOWN_TURNS, 0),
            answer=cut_text(str(indent_json(trace.output)), most),
            context=context,
            context_pieces=context_pieces,
            methods=list_methods([*(p for one in passages for p in one.pieces), *context_pieces]),
            steps=steps,
            left_steps=len(trace.steps) - len(steps),
            passages=passages,
            near=[
                Near(one, cut_text(one.asked, EXCERPT), name_trace_page(one.trace_id))
                for one in similar
            ],
            origin=list_origin(trace),
            source=find_source_link(trace.metadata),
            beside=beside,
        )
    )


def list_turns(trace: Trace, most: int) -> list[Turn]:
    """Lists the conversation up to the answer: the chat as sent, else what the user asked."""
    turns = [
        Turn(str(message.get("role") or "message"), cut_text(read_content(message), most))
        for message in trace.messages[-SHOWN_TURNS:]
        if isinstance(message, dict)
    ]
    if turns and turns[-1].role == "assistant" and turns[-1].text.text == trace.output:
        turns.pop()
    return turns or [Turn("user", cut_text(str(indent_json(trace.input)), most))]


def read_content(message: Mapping[str, Json]) -> str:
    """Returns the text of a message, of its parts, or of its tool calls."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        if all(isinstance(part, str) for part in parts):
            content = "\n".join(map(str, parts))
    if content in (None, ""):
        content = message.get("tool_calls") or ""
    return str(indent_json(content))


def list_steps(trace: Trace, most: int) -> list[Step]:
    """Lists what the application did, in order."""
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
        text=cut_text(str(indent_json(step)), most),
    )


def list_methods(pieces: Sequence[Piece]) -> list[str]:
    """Lists the methods by which sentences were marked."""
    return sorted({piece.why for piece in pieces if piece.why})


def list_passages(trace: Trace, marked: Marked, most: int) -> list[Passage]:
    """Lists the documents that the steps retrieved."""
    passages: list[Passage] = []
    for step in trace.steps:
        documents = step.get("documents") if isinstance(step, dict) else None
        for document in documents if isinstance(documents, list) else ():
            fields = document if isinstance(document, dict) else {"content": document}
            score = fields.get("score")
            text = cut_text(str(indent_json(fields.get("content", document))), most)
            passages.append(
                Passage(
                    str(fields.get("id") or ""),
                    float(score) if isinstance(score, int | float) else None,
                    text,
                    mark_support(text.text, *marked),
                )
            )
            if len(passages) == SHOWN_PASSAGES:
                return passages
    return passages


def list_origin(trace: Trace) -> list[tuple[str, str]]:
    """Lists what made a trace and where it was read, each with its name; leaves out the unknown."""
    model = trace.model or trace.model_requested
    latency = f"{trace.latency_ms / 1000:.1f} s" if trace.latency_ms is not None else None
    rows = [
        ("Trace", trace.trace_id),
        ("Time", f"{trace.ts:%Y-%m-%d %H:%M:%S} UTC"),
        ("Model", model),
        ("Prompt", " ".join(filter(None, (trace.prompt_name, trace.prompt_version)))),
        ("Commit", trace.git_commit),
        *((name, str(value)) for name, value in sorted(trace.versions.items())),
        ("Session", trace.session_id),
        ("Turn", str(trace.turn) if trace.turn else None),
        ("Took", latency),
        ("Read from", f"{trace.source_file}, line {trace.source_line}"),
        ("Tags", ", ".join(map(str, trace.tags))),
    ]
    return [(name, cut_text(value, 2000).text) for name, value in rows if value]
