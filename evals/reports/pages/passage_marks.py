"""Sentences of a passage that support an answer, marked with the method that found them.

By an evaluator that quotes them, else by the words they share with a sentence of the answer:
that shows where to look, and proves no support.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.topics.tokens import is_spaceless, list_terms

BOUNDARY = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+\s*")
NUMBER = re.compile(r"\d[\d.,:/]*\d|\d")
QUOTE = re.compile(r"[\"“„«]([^\"“”„«»]{12,400})[\"”“»]")
SHORTEST = 4
"""Letters of a word that counts."""
LEAST, SHARE = 3, 0.5
"""Words that are shared, and their share of the answer's sentence, at least."""
MOST = 20_000
"""Characters of a text that are looked at."""


class Piece(NamedTuple):
    """A part of a text."""

    text: str
    why: str
    """Empty, `overlap`, or `quoted`."""


def mark_support(text: str, answer: str, words: Sequence[str]) -> list[Piece]:
    """Splits a passage into pieces, those marked that support the answer.

    Args:
        text: the passage.
        answer: what the application answered.
        words: what evaluators wrote about the answer.
    """
    answered = map(list_words, split_sentences(answer[:MOST]))
    stated = [terms for terms in answered if len(terms) >= LEAST]
    quotes = [quote for one in words for quote in QUOTE.findall(one)]
    pieces: list[Piece] = []
    for sentence in split_sentences(text[:MOST]):
        plain = sentence.rstrip()
        pieces.append(Piece(plain, find_reason(plain, stated, quotes)))
        pieces.append(Piece(sentence[len(plain) :], ""))
    return join_pieces([*pieces, Piece(text[MOST:], "")])


def find_reason(sentence: str, stated: Sequence[set[str]], quotes: Sequence[str]) -> str:
    """Finds why a sentence supports the answer; empty where nothing shows it."""
    plain = sentence.strip()
    if len(plain) >= SHORTEST and any(
        quote in sentence or (len(plain) >= 12 and plain in quote) for quote in quotes
    ):
        return "quoted"
    own = list_words(sentence)
    shared = (len(own & one) / len(one) for one in stated if len(own & one) >= LEAST)
    return "overlap" if max(shared, default=0.0) >= SHARE else ""


def split_sentences(text: str) -> Iterator[str]:
    """Yields the sentences of a text, which together are the text."""
    ends = [match.end() for match in BOUNDARY.finditer(text)]
    bounds = zip([0, *ends], [*ends, len(text)], strict=True)
    return (text[start:end] for start, end in bounds if start < end)


def list_words(sentence: str) -> set[str]:
    """Lists the numbers of a sentence, and its words of four letters and more."""
    words = {term for term in list_terms(sentence) if len(term) >= SHORTEST or is_spaceless(term)}
    return words | set(NUMBER.findall(sentence))


def join_pieces(pieces: Sequence[Piece]) -> list[Piece]:
    """Joins neighbouring pieces without a mark."""
    joined: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if joined and not piece.why and not joined[-1].why:
            joined[-1] = Piece(joined[-1].text + piece.text, "")
        else:
            joined.append(piece)
    return joined
