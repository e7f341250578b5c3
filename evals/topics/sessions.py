"""Requests that a session shows to be unmet: repeated, rephrased, or abandoned.

What one answer shows by itself is `answers`'.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.topics.tokens import find_runs, is_spaceless, normalise_text, slide

REPHRASED = 0.45
"""The cosine from which on a turn asks the same as the one before in other words."""
COMPARED_CHARACTERS = 500
"""Of a turn, this many characters are compared."""
WORDS = re.compile(r"\w+")
NUMBERS = re.compile(r"\d+")


class Turn(NamedTuple):
    """A turn of a session: what the user asked, and how it ended."""

    trace_id: str
    text: str
    failed: bool
    """Whether it was refused, or not answered."""


class Unmet(NamedTuple):
    """What a session shows about one of its turns."""

    repeated: bool = False
    """The user asked it again later in the session, word for word."""
    rephrased: bool = False
    """The next turn asks it again in other words."""
    abandoned: bool = False
    """It was refused or not answered, and the session ends there."""


class Reading(NamedTuple):
    """A turn as it is compared with others."""

    words: str
    """All its words and numbers, in lower case."""
    numbers: frozenset[str]
    parts: Sequence[int]
    """The numbers of the parts of its words, three characters each, with repetitions."""


class PartCounts:
    """The parts of a night's turns: in how many each occurs, and each turn's, read once."""

    def __init__(self) -> None:
        self.numbers = dict[str, int]()
        self.texts: list[int] = []
        """In how many turns each part occurs, by its number."""
        self.turns = 0
        self.read = dict[str, Reading]()

    def add_text(self, text: str) -> None:
        """Counts the parts of a turn."""
        self.turns += 1
        for number in {*self.read_text(text).parts}:
            self.texts[number] += 1

    def read_text(self, text: str) -> Reading:
        """Returns a turn's text as it is compared with others."""
        beginning = text[:COMPARED_CHARACTERS]
        if beginning not in self.read:
            plain = " ".join(WORDS.findall(normalise_text(beginning)))
            numbers = frozenset(NUMBERS.findall(plain))
            parts = array("L", map(self.number_part, list_parts(beginning)))
            self.read[beginning] = Reading(plain, numbers, parts)
        return self.read[beginning]

    def number_part(self, part: str) -> int:
        """Returns the number of a part; a new one is in no turn yet."""
        number = self.numbers.setdefault(part, len(self.texts))
        if number == len(self.texts):
            self.texts.append(0)
        return number

    def weigh_parts(self, reading: Reading) -> dict[int, float]:
        """Returns a turn's TF-IDF vector, of length 1."""
        weights = {
            part: (1 + math.log(n)) * (1 + math.log((1 + self.turns) / (1 + self.texts[part])))
            for part, n in Counter(reading.parts).items()
        }
        length = math.sqrt(math.fsum(weight * weight for weight in weights.values())) or 1.0
        return {part: weight / length for part, weight in weights.items()}


def list_parts(text: str) -> Iterator[str]:
    """Yields the parts of a text's words; of Han characters the pairs, too."""
    for run in find_runs(text):
        yield from slide(run if is_spaceless(run) else f" {run} ", 3)
        if is_spaceless(run):
            yield from slide(run, 2)


def judge_session(turns: Sequence[Turn], counts: PartCounts) -> list[Unmet]:
    """Finds what a session shows about each of its turns.

    Args:
        turns: all turns, oldest first.
        counts: the parts of the night's turns.
    """
    if len(turns) == 1:
        return [Unmet(abandoned=turns[0].failed)]
    read = [counts.read_text(turn.text) for turn in turns]
    last = len(turns) - 1
    later: set[str] = set()
    outcomes: list[Unmet] = []
    for at in range(last, -1, -1):
        words = read[at].words
        is_next = at < last and is_rephrasing(read[at], read[at + 1], counts)
        outcomes.append(
            Unmet(bool(words) and words in later, is_next, at == last and turns[at].failed)
        )
        later.add(words)
    return outcomes[::-1]


def is_rephrasing(first: Reading, then: Reading, counts: PartCounts) -> bool:
    """Whether a turn asks the same as another one in other words; not if it has other numbers."""
    if first.words == then.words or (
        first.numbers and then.numbers and first.numbers != then.numbers
    ):
        return False
    return compare_readings(first, then, counts) >= REPHRASED


def compare_readings(first: Reading, then: Reading, counts: PartCounts) -> float:
    """Returns the cosine of two turns' TF-IDF vectors, rounded."""
    one, other = counts.weigh_parts(first), counts.weigh_parts(then)
    return round(math.fsum(weight * other.get(part, 0.0) for part, weight in one.items()), 4)
