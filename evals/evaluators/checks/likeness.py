"""Comparisons of an answer's text with the gold text.

A trace without gold is skipped. Attributes are compared in `extraction`, queries in `queries`.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Literal

from pydantic import Field

from evals.evaluators import comparisons
from evals.evaluators.checks.extraction import show_values
from evals.evaluators.code_checks import NO_GOLD, Examples, Params, Result, check, quoted
from evals.evaluators.comparisons import UnreadableJson
from evals.evaluators.normal_form import is_same_value, normalize_text, scalar_text
from evals.records import Failure, Json, Outcome, Skip, Trace


class Equals(Params):
    """Params of `equals`."""

    ignore_case: bool = True


@check(
    "equals",
    kind="reference",
    needs_gold=True,
    behaviour=2,
    params=Equals,
    examples=Examples(
        gold=["Friday", "on Friday"], passes={"output": "on  friday"}, fails={"output": "on Monday"}
    ),
)
def equals(trace: Trace, params: Equals, gold: Json) -> Result:
    """The output is the gold text, or one of several, spaces (and case) evened out."""
    accepted = list_accepted(gold)
    if not accepted:
        return NO_GOLD
    if any(is_gold_text(trace.output, value, params.ignore_case) for value in accepted):
        return Outcome(True)
    words = f"got {quoted(trace.output)}, expected {show_values(accepted)}"
    return Outcome(False, explanation=words)


def is_gold_text(output: str, gold: Json, ignore_case: bool) -> bool:
    """Whether an output is a gold value; a gold object or list is compared with it as JSON."""
    if not isinstance(gold, dict | list):
        return is_same_value(output, gold, ignore_case)
    try:
        return is_same_value(comparisons.read_json(output), gold, ignore_case)
    except (UnreadableJson, RecursionError):
        return False


def list_accepted(gold: Json) -> list[Json]:
    """Returns the values that gold accepts: itself, or each of a list."""
    return [v for v in (gold if isinstance(gold, list) else [gold]) if v is not None]


def list_accepted_texts(gold: Json) -> list[str]:
    """Returns the texts that gold accepts; what is no text is written as one."""
    return [v if isinstance(v, str) else scalar_text(v) for v in list_accepted(gold)]


@check(
    "exact",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    examples=Examples(gold="PX-3381", passes={"output": "PX-3381"}, fails={"output": "px-3381"}),
)
def exact(trace: Trace, params: Params, gold: Json) -> Result:
    """The output is the gold text, or one of several, character by character."""
    accepted = list_accepted_texts(gold)
    if not accepted:
        return NO_GOLD
    same = trace.output in accepted
    words = f"got {quoted(trace.output)}, expected {show_values(list(accepted))}"
    return Outcome(same, explanation="" if same else words)


ARTICLES = re.compile(r"\b(?:a|an|the)\b")
MARKS = re.compile(r"[^\w\s]|_")


@check(
    "normalized",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    examples=Examples(
        gold="Eiffel Tower", passes={"output": "The Eiffel Tower."}, fails={"output": "In Paris."}
    ),
)
def normalized(trace: Trace, params: Params, gold: Json) -> Result:
    """The output has the words of the gold text, or of one of several; value is the best token F1.

    Case, spaces, punctuation and English articles make no difference, as in SQuAD.
    """
    accepted = list_accepted_texts(gold)
    if not accepted:
        return NO_GOLD
    output = normalize_words(trace.output)
    best = max(token_f1(output, normalize_words(text)) for text in accepted)
    same = any(output == normalize_words(text) for text in accepted)
    words = f"got {quoted(trace.output)}, expected {show_values(list(accepted))}"
    return Outcome(same, round(best, 4), "" if same else words)


def normalize_words(text: str) -> list[str]:
    """Returns the words of a text without case, punctuation and English articles."""
    return ARTICLES.sub(" ", MARKS.sub(" ", normalize_text(text))).split()


def token_f1(one: Sequence[str], other: Sequence[str]) -> float:
    """The F1 of the words two texts share, each as often as both have it."""
    if not one or not other:
        return float(one == other)
    counts: dict[str, int] = {}
    for word in other:
        counts[word] = counts.get(word, 0) + 1
    shared = 0
    for word in one:
        if counts.get(word, 0) > 0:
            counts[word] -= 1
            shared += 1
    return 2 * shared / (len(one) + len(other))


MAX_CHARACTERS = 20_000
"""A longer text is skipped: alignment takes the product of both lengths."""
EXTRA = "install the extra `andon[text]`"


@functools.cache
def load_library(name: str) -> ModuleType | Failure:
    """Imports a library of the extra `text`; a Failure where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        return Failure("no-library", f"{package} is not installed; {EXTRA}", retryable=True)


def compare_texts(
    trace: Trace, gold: Json, at_least: float, measure: Callable[[str, str], float]
) -> Result:
    """Passes where the best likeness of an output to a gold text is high enough."""
    accepted = list_accepted_texts(gold)
    if not accepted:
        return NO_GOLD
    if max(map(len, (trace.output, *accepted))) > MAX_CHARACTERS:
        return Skip("too-long")
    best = round(max(measure(trace.output, text) for text in accepted), 4)
    words = f"{best:.2f} alike, at least {at_least:g}: gold {show_values(list(accepted))}"
    return Outcome(best >= at_least, best, "" if best >= at_least else words)


class Fuzzy(Params):
    """Params of `fuzzy`."""

    at_least: float = Field(default=0.9, ge=0, le=1, description="the likeness that passes")
    method: Literal["ratio", "partial_ratio", "token_sort_ratio", "token_set_ratio"] = Field(
        default="ratio", description="a function of rapidfuzz"
    )


@check(
    "fuzzy",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    params=Fuzzy,
    examples=Examples(
        gold="Kensington Gardens",
        passes={"output": "Kensingtn Gardens"},
        fails={"output": "Hyde Park"},
    ),
)
def fuzzy(trace: Trace, params: Fuzzy, gold: Json) -> Result:
    """The output is nearly the gold text, or one of several; value is the likeness, 0 to 1.

    By rapidfuzz, of the extra `andon[text]`; case, spaces and the shape of characters are evened
    out before.
    """
    library = load_library("rapidfuzz.fuzz")
    if isinstance(library, Failure):
        return library
    score: Callable[[str, str], float] = getattr(library, params.method)
    return compare_texts(
        trace,
        gold,
        params.at_least,
        lambda one, other: score(normalize_text(one), normalize_text(other)) / 100,
    )


class SetOverlap(Params):
    """Params of `set_overlap`."""

    of: Literal["f1", "precision", "recall", "jaccard"] = "f1"
    at_least: float = Field(default=1.0, ge=0, le=1, description="the overlap that passes")
    separators: str = Field(
        default=",;\n", min_length=1, description="characters between items, where no JSON list is"
    )


@check(
    "set_overlap",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    params=SetOverlap,
    examples=Examples(
        params={"of": "recall", "at_least": 0.5},
        gold=["red", "blue"],
        passes={"output": "blue, green"},
        fails={"output": "green"},
    ),
)
def set_overlap(trace: Trace, params: SetOverlap, gold: Json) -> Result:
    """The items of the output and of gold overlap enough; value is the overlap, 0 to 1.

    Items are those of a JSON list, or what commas, semicolons and lines separate; the marks of
    list items, case and spaces make no difference.
    """
    if gold is None:
        return NO_GOLD
    if not isinstance(gold, list):
        return Failure("bad-gold", "gold is not a list of items")
    answered = read_items(trace.output, params.separators)
    expected = {scalar_item(value) for value in gold}
    shared = len(answered & expected)
    sizes = {
        "precision": len(answered),
        "recall": len(expected),
        "jaccard": len(answered | expected),
        "f1": (len(answered) + len(expected)) / 2,
    }
    overlap = round(shared / sizes[params.of], 4) if sizes[params.of] else float(not expected)
    missing, extra = sorted(expected - answered), sorted(answered - expected)
    words = f"without {', '.join(missing) or 'nothing'}; besides {', '.join(extra) or 'nothing'}"
    return Outcome(
        overlap >= params.at_least,
        overlap,
        "" if overlap >= params.at_least else quoted(words, 300),
    )


ITEM_MARK = re.compile(r"^(?:[-*+•]|\d{1,3}[.)])\s+")


def read_items(text: str, separators: str) -> set[str]:
    """Reads the items of an output."""
    try:
        value = comparisons.read_json(text)
    except (UnreadableJson, RecursionError):
        value = None
    if isinstance(value, list):
        return {scalar_item(item) for item in value}
    parts = re.split(f"[{re.escape(separators)}]", text)
    items = (normalize_text(ITEM_MARK.sub("", part.strip())) for part in parts)
    return {item for item in items if item}


def scalar_item(value: Json) -> str:
    """Returns an item as the text that is compared."""
    return (
        normalize_text(quoted(value, 10_000))
        if isinstance(value, dict | list)
        else scalar_text(value)
    )


class Rouge(Params):
    """Params of `rouge`."""

    variant: Literal["rouge1", "rouge2", "rougeL"] = "rougeL"
    of: Literal["fmeasure", "precision", "recall"] = "fmeasure"
    at_least: float = Field(default=0.3, ge=0, le=1, description="the score that passes")


ROUGE_WORD = re.compile(r"[a-z0-9]+", re.IGNORECASE | re.ASCII)
WEAK_OVERLAP = "overlap of words or characters says little about meaning"
MAX_ROUGE = 20_000_000
"""The longest common subsequence of more pairs of words takes too long."""


@functools.cache
def load_scorer(
    variant: str,
) -> Callable[[str, str], dict[str, tuple[float, float, float]]] | Failure:
    """Loads a ROUGE scorer of rouge-score; words are those of its tokenizer, without stemming."""
    library = load_library("rouge_score.rouge_scorer")
    return library if isinstance(library, Failure) else library.RougeScorer([variant]).score


@check(
    "rouge",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    params=Rouge,
    weak=WEAK_OVERLAP,
    examples=Examples(
        gold="The parcel arrives on Friday.",
        passes={"output": "Your parcel arrives on Friday."},
        fails={"output": "Please contact support."},
    ),
)
def rouge(trace: Trace, params: Rouge, gold: Json) -> Result:
    """ROUGE of the output against the gold text, or the best of several, is high enough.

    By rouge-score, of the extra `andon[text]`, which reads letters a-z and digits alone: a text of
    another script is skipped.
    """
    scorer = load_scorer(params.variant)
    if isinstance(scorer, Failure):
        return scorer
    accepted = list_accepted_texts(gold)
    if any(not ROUGE_WORD.search(text) for text in accepted):
        return Skip("other-script")
    words = len(ROUGE_WORD.findall(trace.output))
    if any(words * len(ROUGE_WORD.findall(text)) > MAX_ROUGE for text in accepted):
        return Skip("too-long")
    place = ("precision", "recall", "fmeasure").index(params.of)
    return compare_texts(
        trace,
        gold,
        params.at_least,
        lambda output, text: scorer(text, output)[params.variant][place],
    )


class Chrf(Params):
    """Params of `chrf`."""

    at_least: float = Field(default=0.4, ge=0, le=1, description="the score that passes")
    word_order: int = Field(default=0, ge=0, le=4, description="2: chrF++")


@check(
    "chrf",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    params=Chrf,
    weak=WEAK_OVERLAP,
    examples=Examples(
        gold="The parcel arrives on Friday.",
        passes={"output": "Your parcel arrives on Friday."},
        fails={"output": "Please contact support."},
    ),
)
def chrf(trace: Trace, params: Chrf, gold: Json) -> Result:
    """ChrF of the output against the gold text, or the best of several, is high enough, 0 to 1.

    By sacrebleu, of the extra `andon[text]`.
    """
    library = load_library("sacrebleu.metrics.chrf")
    if isinstance(library, Failure):
        return library
    metric = library.CHRF(word_order=params.word_order)
    return compare_texts(
        trace,
        gold,
        params.at_least,
        lambda output, text: metric.sentence_score(output, [text]).score / 100,
    )
