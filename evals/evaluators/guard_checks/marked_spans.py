"""Checks that an output gives away nothing its source marks: spoilers, and spans kept from it.

The marks are those of chats and forums, or a team's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field, field_validator

from evals.evaluators.code_checks import CodeCheck, Examples
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.guard_checks.runs_of_words import Run, mark_runs, merge_runs
from evals.evaluators.guard_checks.words import split_words
from evals.evaluators.protocol import Params, Result, own_params
from evals.records import Json, Outcome, Skip, Trace
from evals.specs import Evaluator

MARKS = (
    ("||", "||"),
    (">!", "!<"),
    ("[spoiler]", "[/spoiler]"),
    ("<spoiler>", "</spoiler>"),
    ("[private]", "[/private]"),
    ("<private>", "</private>"),
)
"""Discord's and Reddit's spoilers, tags of forums, and a tag for what is not to be repeated."""
COMMON = 4
"""Words of so few letters give nothing away by themselves."""


class MarkedSpans(Params):
    """Params of `marked_spans`."""

    marks: tuple[tuple[str, str], ...] = Field(
        default=MARKS, description="pairs of what opens and what closes a span, in any case"
    )
    words: int = Field(
        default=3,
        ge=1,
        le=50,
        description="the words in a row that give a span away; all of a shorter one",
    )

    @field_validator("marks")
    @classmethod
    def check_marks(cls, marks: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Refuses a mark without characters."""
        if not marks or not all(opening and closing for opening, closing in marks):
            raise ValueError("needs pairs such as ['||', '||'], neither of them empty")
        return marks


def split_source(text: str, marks: tuple[tuple[str, str], ...]) -> tuple[list[str], str]:
    """Returns the marked spans of a source, and the rest of it, in linear time."""
    spans: list[str] = []
    for opening, closing in marks:
        lower = text.lower() if len(text.lower()) == len(text) else text
        rest: list[str] = []
        at = 0
        while (start := lower.find(opening.lower(), at)) >= 0:
            end = lower.find(closing.lower(), start + len(opening))
            if end < 0:
                break
            spans.append(text[start + len(opening) : end])
            rest.append(text[at:start])
            at = end + len(closing)
        text = "\n".join((*rest, text[at:]))
    return spans, text


def list_grams(text: str, width: int) -> set[tuple[str, ...]]:
    """Returns the runs of so many words in a text."""
    words = [word.text for word in split_words(text)]
    return {tuple(words[at : at + width]) for at in range(len(words) - width + 1)}


def read_source(trace: Trace) -> str:
    """Returns what an output is made from: the input, the context and the chat."""
    chat = [
        str(message["content"])
        for message in trace.messages
        if isinstance(message, dict) and isinstance(message.get("content"), str)
    ]
    return "\n".join([trace.input, trace.context or "", *chat])


def find_given_away(trace: Trace, params: MarkedSpans) -> Iterator[Run]:
    """Yields the runs of an output that are in a marked span and nowhere else in the source."""
    spans, rest = split_source(read_source(trace), params.marks)
    words = split_words(trace.output)
    widths = {min(params.words, len(split_words(span))) for span in spans} - {0}
    for width in sorted(widths):
        hidden = {
            gram
            for span in spans
            if min(params.words, len(split_words(span))) == width
            for gram in list_grams(span, width)
        }
        hidden -= list_grams(rest, width)
        hidden = {gram for gram in hidden if any(len(word) >= COMMON for word in gram)}
        for at in range(len(words) - width + 1):
            found = words[at : at + width]
            if tuple(word.text for word in found) in hidden:
                yield Run(found[0].start, found[-1].end, width)


@dataclass(frozen=True)
class MarkedSpansCheck(CodeCheck[MarkedSpans]):
    """Compares an output with the marked spans of its source."""

    def redact_output(
        self, evaluator: Evaluator, trace: Trace, references: GoldAndLabels
    ) -> str | None:
        """Replaces what is given away by a mark."""
        params = self.params.model_validate(own_params(evaluator))
        return mark_runs(trace.output, merge_runs(find_given_away(trace, params)), "spoiler")

    def can_redact(self) -> bool:
        """Whether what makes a text fail can be removed from it."""
        return True


def gives_nothing_away(trace: Trace, params: MarkedSpans, gold: Json) -> Result:
    """The output repeats nothing of what its source marks as a spoiler or as private."""
    spans, _ = split_source(read_source(trace), params.marks)
    if not any(split_words(span) for span in spans):
        return Skip("nothing-marked")
    runs = merge_runs(find_given_away(trace, params))
    places = ", ".join(f"{run.start}–{run.end}" for run in runs[:5])
    return Outcome(not runs, float(len(runs)), f"gives away a marked span at {places}" * bool(runs))


marked_spans = MarkedSpansCheck(
    "marked_spans",
    gives_nothing_away,
    MarkedSpans,
    behaviour=1,
    reads=("input", "context", "messages", "output"),
    weak="the words themselves: a spoiler in other words passes",
    examples=Examples(
        passes={"input": "Sum up: ||the butler did it||", "output": "He says who did it."},
        fails={"input": "Sum up: ||the butler did it||", "output": "He says the butler did it."},
    ),
)
