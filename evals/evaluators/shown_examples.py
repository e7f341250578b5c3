"""Which examples of a judge's frozen pool a trace is judged with: the most similar, by verdict.

Rendering is in `judges`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evals.evaluators.normal_form import normalize_text
from evals.evaluators.similar_texts import SimilarTexts
from evals.specs import Example, Judge

BEHAVIOUR = 1
"""Raised when `choose_examples` chooses others from the same pool."""
COMPARED_CHARS = 4000
"""Characters of a text that are compared."""


def choose_examples(judge: Judge, material: Mapping[str, str]) -> Sequence[Example]:
    """Chooses the examples that a request has, the most similar last.

    As many passes as failures, where the pool has them. An example with the texts of the trace
    itself is left out: the judge would copy its verdict.

    Args:
        judge: its pool, and how many of it are shown; None: the whole pool, in its order.
        material: the texts of the trace that the judge reads.
    """
    if judge.shown is None:
        return judge.examples
    pool = index_pool(judge.examples, judge.reads)
    own = join_texts(material)
    similar = pool.texts.compare(own)
    key = normalize_text(own)
    ranked = sorted(range(len(judge.examples)), key=lambda n: (-similar[n], n))
    others = [n for n in ranked if pool.keys[n] != key]
    chosen = balance(others, [example.verdict for example in judge.examples], judge.shown)
    return [judge.examples[n] for n in sorted(chosen, key=others.index, reverse=True)]


def balance(ranked: Sequence[int], verdicts: Sequence[str], count: int) -> list[int]:
    """Takes the first of each verdict by turns, then whatever is left."""
    by_verdict = {word: [n for n in ranked if verdicts[n] == word] for word in ("pass", "fail")}
    half = count // 2
    chosen = [*by_verdict["pass"][:half], *by_verdict["fail"][:half]]
    rest = (n for n in ranked if n not in chosen)
    return [*chosen, *(n for n, _ in zip(rest, range(count - len(chosen)), strict=False))]


class Pool(NamedTuple):
    """The texts of a pool."""

    keys: list[str]
    """In the form in which texts are compared."""
    texts: SimilarTexts


@functools.lru_cache(maxsize=32)
def index_pool(examples: tuple[Example, ...], reads: tuple[str, ...]) -> Pool:
    """Indexes a pool by the fields that the judge reads."""
    values = [{name: getattr(one, name, None) or "" for name in reads} for one in examples]
    texts = [join_texts(one) for one in values]
    return Pool(list(map(normalize_text, texts)), SimilarTexts(texts))


def join_texts(material: Mapping[str, str]) -> str:
    """Joins the texts that are compared; gold is none of them."""
    return "\n".join(text[:COMPARED_CHARS] for name, text in material.items() if name != "gold")
