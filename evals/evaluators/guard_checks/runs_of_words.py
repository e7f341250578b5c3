"""Finds runs of words that a text shares with others, by an index of word n-grams built once.

What a shared run means is `copying`'s.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from evals.evaluators.guard_checks.words import split_words

MOST_PLACES = 4
"""Places that are looked at for one n-gram: a text of one repeated word takes no longer."""
BREAK = 0
"""Is between two indexed texts, and is the code of no word."""


class Run(NamedTuple):
    """A run of words that a text shares with an indexed one."""

    start: int
    end: int
    """Offsets in characters, the end exclusive."""
    words: int


class WordIndex:
    """The words of some texts, found again by any run of at least so many of them.

    Every step-th n-gram is indexed, so that a run has one of them wherever it begins: with runs
    of 20 words a tenth of the n-grams.
    """

    def __init__(self, texts: Iterable[str], least: int) -> None:
        self.least = least
        self.gram = max((least + 1) // 2, 1)
        self.codes = array("L")
        self.places: dict[tuple[int, ...], list[int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Indexes a text."""
        first = len(self.codes)
        self.codes.extend(code_of(word.text) for word in split_words(text))
        last = len(self.codes) - self.gram
        for at in range(first, last + 1, self.least - self.gram + 1):
            places = self.places.setdefault(tuple(self.codes[at : at + self.gram]), [])
            if len(places) < MOST_PLACES:
                places.append(at)
        self.codes.append(BREAK)

    def find_runs(self, text: str) -> Iterator[Run]:
        """Yields the runs of a text that are indexed, none overlapping, in linear time."""
        words = split_words(text)
        codes = [code_of(word.text) for word in words]
        at = begin = 0
        while at + self.gram <= len(codes):
            first, last = self.extend_longest(codes, at, begin)
            if last - first >= self.least:
                yield Run(words[first].start, words[last - 1].end, last - first)
                at = begin = last
            else:
                at += 1

    def extend_longest(self, codes: Sequence[int], at: int, begin: int) -> tuple[int, int]:
        """Returns the longest run around one n-gram that begins no earlier than `begin`."""
        found = self.places.get(tuple(codes[at : at + self.gram]), ())
        runs = (self.extend(codes, at, place, begin) for place in found)
        return max(runs, key=lambda run: run[1] - run[0], default=(at, at))

    def extend(self, codes: Sequence[int], at: int, place: int, begin: int) -> tuple[int, int]:
        """Extends a shared n-gram on both sides, at most by one run's length to the left."""
        first, other = at, place
        lowest = max(begin, at - self.least)
        while first > lowest and other > 0 and codes[first - 1] == self.codes[other - 1]:
            first, other = first - 1, other - 1
        last, other = at + self.gram, place + self.gram
        while last < len(codes) and codes[last] == self.codes[other]:
            last, other = last + 1, other + 1
        return first, last


def code_of(word: str) -> int:
    """Returns a word's code, never 0."""
    return zlib.crc32(word.encode("utf-8", "ignore")) + 1


def merge_runs(runs: Iterable[Run]) -> list[Run]:
    """Returns runs in order; of those that overlap, one that covers both."""
    merged: list[Run] = []
    for run in sorted(runs):
        if merged and run.start < merged[-1].end:
            last = merged.pop()
            run = Run(last.start, max(last.end, run.end), max(last.words, run.words))
        merged.append(run)
    return merged


def mark_runs(text: str, runs: Iterable[Run], kind: str) -> str:
    """Replaces runs of a text by a mark."""
    parts: list[str] = []
    at = 0
    for run in runs:
        parts += (text[at : run.start], f"[redacted:{kind}]")
        at = run.end
    return "".join((*parts, text[at:]))
