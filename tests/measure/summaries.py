"""Relevance and information density of answers over passages, on labels that are made.

No package has labels of these two dimensions. The answers of models to questions over passages
count as good; the others are made of them: an answer to another question, sentences drawn from the
passages, an answer with filler, and one that repeats itself, each half as long again.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from evals.evaluators.checks import summaries
from evals.evaluators.code_checks import build_example
from evals.records import Outcome
from tests.measure.data import find_folder, read_lines
from tests.measure.refusal import count_hits

FOLDS, LONGER = 5, 1.5
FILLER = (
    "It is important to note that this topic can be understood in several different ways.",
    "Overall, there are many factors to consider, and every situation is unique.",
    "With that in mind, let us look at this more closely.",
    "As we can see, this is a question that many people have asked over the years.",
    "In conclusion, it is always a good idea to do your own research and to stay informed.",
    "I hope this helps, and please let me know if there is anything else you would like to know.",
)
SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")


class Answer(NamedTuple):
    """An answer with its question and its passages."""

    question: str
    source: str
    text: str


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields, by check and kind of bad answer, what is found at bounded shares of false alarms."""
    rows = read_lines(find_folder(data, "ragtruth_subset") / "traces.jsonl.gz")
    good = [Answer(r["input"] or "", r["context"], r["output"]) for r in rows if r["context"]]
    rng = random.Random(0)
    relevance = {
        "answer to another question": [replace_text(one, good, rng) for one in good],
        "sentences of the passages": [one._replace(text=draw_sentences(one, rng)) for one in good],
    }
    density = {
        "with filler": [one._replace(text=lengthen(one.text, FILLER, rng)) for one in good],
        "repeats itself": [
            one._replace(text=lengthen(one.text, SENTENCES.split(one.text), rng)) for one in good
        ],
    }
    for kind, bad in relevance.items():
        yield describe("covers_source", kind, good, bad)
    for kind, bad in density.items():
        yield describe("information_density", kind, good, bad)


def replace_text(one: Answer, good: Sequence[Answer], rng: random.Random) -> Answer:
    """Returns an answer to another question in place of this one."""
    other = rng.choice(good)
    while other.source == one.source:
        other = rng.choice(good)
    return one._replace(text=other.text)


def draw_sentences(one: Answer, rng: random.Random) -> str:
    """Draws sentences of the passages, about as long as the answer."""
    drawn: list[str] = []
    sentences = [part for part in SENTENCES.split(one.source) if part.strip()]
    while sentences and len(" ".join(drawn)) < len(one.text):
        drawn.append(sentences.pop(rng.randrange(len(sentences))))
    return " ".join(drawn)


def lengthen(text: str, more: Sequence[str], rng: random.Random) -> str:
    """Inserts sentences between those of a text until it is half as long again."""
    sentences = SENTENCES.split(text)
    while len(" ".join(sentences)) < LONGER * len(text):
        sentences.insert(rng.randrange(len(sentences) + 1), rng.choice(more) or "Yes.")
    return " ".join(sentences)


def judge(check: str, one: Answer) -> Outcome | None:
    """Returns what a check finds; None where it skips the answer."""
    found = {
        "covers_source": summaries.covers_source,
        "information_density": summaries.information_density,
    }[check]
    trace = build_example({"input": one.question, "context": one.source, "output": one.text})
    result = found.function(trace, found.params(), None)
    return result if isinstance(result, Outcome) else None


def describe(
    check: str, kind: str, good: Sequence[Answer], bad: Sequence[Answer]
) -> dict[str, Any]:
    """Returns recall and false alarms, with the check's defaults and at thresholds of others."""
    sides = [
        [(one.source, found) for one in side if (found := judge(check, one))]
        for side in (good, bad)
    ]
    wrong, right = (
        count_hits([not found.passed for _, found in side], [source for source, _ in side])
        for side in sides
    )
    return {
        "evaluator": check,
        "bad": kind,
        "good_answers": len(sides[0]),
        "bad_answers": len(sides[1]),
        "sources": len({source for source, _ in sides[0]}),
        "auc": round(compute_auc(*([value_of(found) for _, found in side] for side in sides)), 3),
        "recall": [round(right.rate, 4), *(round(x, 4) for x in right.interval())],
        "false_alarms": [round(wrong.rate, 4), *(round(x, 4) for x in wrong.interval())],
        "recall_at_5_percent": round(recall_across_folds(*sides, share=0.05), 4),
        "recall_at_1_percent": round(recall_across_folds(*sides, share=0.01), 4),
    }


def value_of(found: Outcome) -> float:
    """Returns the value of an outcome."""
    return found.value or 0.0


def compute_auc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Returns how often a good answer has a higher value than a bad one; ties count one half."""
    ordered = sorted(good)
    below = [bisect_left(ordered, value) + bisect_right(ordered, value) for value in bad]
    return 1 - fmean(below) / 2 / len(ordered)


Found = Sequence[tuple[str, Outcome]]


def recall_across_folds(good: Found, bad: Found, *, share: float) -> float:
    """Returns the recall at thresholds chosen on the good answers to other sources."""
    sources = sorted({source for source, _ in good})
    fold = {source: number % FOLDS for number, source in enumerate(sources)}
    hits: list[bool] = []
    for number in range(FOLDS):
        others = sorted(value_of(found) for source, found in good if fold[source] != number)
        threshold = others[int(share * len(others))]
        own = (found for source, found in bad if fold.get(source) == number)
        hits += [value_of(found) < threshold for found in own]
    return fmean(hits)
