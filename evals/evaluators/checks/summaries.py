"""Checks of summaries by dimension: what they leave out of the source, and how dense they are.

Whether a summary states only what the source does is for `source` and the guardrail `supported`.
"""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from evals.evaluators.code_checks import Examples, Params, Result, check
from evals.evaluators.guard_checks.support import needs_support, stem
from evals.evaluators.guard_checks.words import list_words
from evals.records import Json, Outcome, Skip, Trace

SOURCE = (
    "The parcel with the lamp left Leipzig on 8 October. The lamp is fragile, so the parcel goes "
    "by van. The van reaches Hamburg on 9 October."
)
"""For the examples."""


class Relevance(Params):
    """Params of `covers_source`."""

    terms: int = Field(
        default=20, ge=1, le=200, description="the source's terms that are looked for"
    )
    least: float = Field(
        default=0.2, ge=0, le=1, description="the share of them that must be there"
    )


@check(
    "covers_source",
    reads=("input", "context", "output"),
    behaviour=1,
    params=Relevance,
    weak="it finds answers about something else, not which parts of a source matter",
    examples=Examples(
        passes={"context": SOURCE, "output": "The lamp's parcel left Leipzig by van."},
        fails={"context": SOURCE, "output": "Thank you for shopping with us, come again soon."},
    ),
)
def covers_source(trace: Trace, params: Relevance, gold: Json) -> Result:
    """The output has enough of the terms that its source returns to; value is the share of them.

    Terms are words of four letters and more and numbers, those of the input first, then the most
    frequent of the context. It is a form of the dimension *relevance*.
    """
    terms = list_terms(trace.input, trace.context or "", params.terms)
    if not terms or not (trace.context or "").strip():
        return Skip("no-source")
    found = {stem(word) for word in list_words(trace.output)}
    missing = [word for name, word in terms.items() if name not in found]
    share = round(1 - len(missing) / len(terms), 4)
    if share >= params.least:
        return Outcome(True, share)
    return Outcome(False, share, f"{share:.0%} of the source's terms; not {', '.join(missing[:8])}")


def list_terms(question: str, source: str, most: int) -> dict[str, str]:
    """Lists what a text is about: the stem of each term with the word it was read from."""
    words = [word for word in list_words(source) if needs_support(word)]
    asked = [word for word in list_words(question[:2000]) if needs_support(word)]
    counts = Counter(map(stem, words))
    known = {stem(word): word for word in reversed([*asked, *words])}
    ranked = [name for name in dict.fromkeys(map(stem, asked)) if name in counts]
    ranked += [name for name, _ in counts.most_common() if name not in ranked]
    return {name: known[name] for name in ranked[:most]}


RUN = 4
"""Words in a row that count as a repeat."""


class Density(Params):
    """Params of `information_density`."""

    least: float = Field(
        default=0.25, ge=0, le=1, description="the share of words that are terms of the source"
    )
    fresh: float = Field(
        default=0.85, ge=0, le=1, description="the share of runs of four words that are no repeats"
    )
    words: int = Field(default=30, ge=1, description="shorter outputs are not judged")


@check(
    "information_density",
    reads=("input", "context", "output"),
    behaviour=1,
    params=Density,
    weak="it counts words: a list of terms without a sentence is dense",
    examples=Examples(
        params={"words": 8},
        passes={"context": SOURCE, "output": "The fragile lamp left Leipzig on 8 October by van."},
        fails={
            "context": SOURCE,
            "output": "It is important to note that there is a great deal to be said about this.",
        },
    ),
)
def information_density(trace: Trace, params: Density, gold: Json) -> Result:
    """The output has no filler and no repeats; value is the share of its words that say something.

    A word says something where it is a term or a number of the source; the value is that share
    times the share of runs of four words that occur for the first time.
    """
    if not (trace.context or "").strip():
        return Skip("no-source")
    words = list_words(trace.output)
    if len(words) < max(params.words, RUN):
        return Skip("too-short")
    known = {stem(word) for word in list_words(f"{trace.input}\n{trace.context}")}
    terms = sum(needs_support(word) and stem(word) in known for word in words) / len(words)
    runs = list(zip(*(words[n:] for n in range(RUN)), strict=False))
    fresh = len(set(runs)) / len(runs)
    passed = terms >= params.least and fresh >= params.fresh
    found = f"{terms:.0%} of its words are terms of the source, {fresh:.0%} of its runs are new"
    return Outcome(passed, round(terms * fresh, 4), "" if passed else found)
