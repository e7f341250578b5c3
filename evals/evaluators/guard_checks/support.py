"""A check of hallucination: how much of each sentence of an output its source supports.

It compares words, numbers and names. Whether a sentence follows from its source is a judge's
question, or a model's for natural language inference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from evals.evaluators.code_checks import Examples, check, quoted
from evals.evaluators.guard_checks.words import list_words
from evals.evaluators.protocol import Params, Result
from evals.records import Json, Outcome, Skip, Trace

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
STEM = 5
"""Letters of a word that are compared: `delivers` and `delivery` are one."""
SHORTEST = 4
"""Letters of a word that needs support."""
FREE = frozenset(
    """about above after again also although always among another based because been before being
    below between both cannot could does doing down during each either even every following from
    further given have having here however into itself just like made make many more most much must
    need only other otherwise over passage passages provided same several should since some such
    than that their them then there therefore these they this those though through under until upon
    used using various very well were what when where whether which while will with within without
    would your yourself""".split()  # noqa: SIM905  prose reads better
)
"""Words that need no support."""


LINE = "The parcel was sent on Monday from the depot in Leipzig."
"""For the examples."""


class Supported(Params):
    """Params of `supported`."""

    least: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="the share of a sentence's words that the source must have",
    )
    words: int = Field(default=8, ge=1, description="sentences of fewer such words are not judged")


class Sentence(NamedTuple):
    """A sentence of an output, and how far its source supports it."""

    text: str
    share: float


def stem(word: str) -> str:
    """Returns what is compared of a word."""
    return word if any(map(str.isdigit, word)) else word[:STEM]


def needs_support(word: str) -> bool:
    """Whether a word needs support in the source."""
    return (len(word) >= SHORTEST or any(map(str.isdigit, word))) and word not in FREE


def measure_sentences(output: str, source: str, least_words: int) -> Iterator[Sentence]:
    """Yields each sentence that is long enough, with the share of its words in the source."""
    known = {stem(word) for word in list_words(source)}
    for sentence in SENTENCE_END.split(output):
        words = [word for word in list_words(sentence) if needs_support(word)]
        if len(words) >= least_words:
            yield Sentence(sentence, sum(stem(word) in known for word in words) / len(words))


@check(
    "supported",
    reads=("input", "context", "output"),
    behaviour=1,
    params=Supported,
    weak="compares words: at 1% false alarms it misses nine of ten made-up answers",
    examples=Examples(
        params={"words": 4},
        passes={"context": LINE, "output": "From the Leipzig depot a parcel was sent on Monday."},
        fails={"context": LINE, "output": "Neutrino oscillation excites relativistic lattices."},
    ),
)
def supported(trace: Trace, params: Supported, gold: Json) -> Result:
    """Each sentence of the output has enough of its words in the source; value is the lowest."""
    source = f"{trace.input}\n{trace.context or ''}"
    if not (trace.context or "").strip():
        return Skip("no-source")
    sentences = list(measure_sentences(trace.output, source, params.words))
    if not sentences:
        return Skip("too-short")
    worst = min(sentences, key=lambda one: one.share)
    value = round(worst.share, 4)
    if worst.share >= params.least:
        return Outcome(True, value)
    new = f"{worst.share:.0%} of a sentence's words are in the source: {quoted(worst.text, 100)}"
    return Outcome(False, value, new)
