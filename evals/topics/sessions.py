"""Requests that a session shows to be unmet: repeated, rephrased, or abandoned.

What one answer shows by itself is `answers`'.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    parts: Mapping[str, int]
    """Parts of its words, three characters each, with their counts."""


def read_text(text: str) -> Reading:
    """Returns a turn's text as it is compared with others."""
    beginning = text[:COMPARED_CHARACTERS]
    plain = " ".join(WORDS.findall(normalise_text(beginning)))
    numbers = frozenset(NUMBERS.findall(plain))
    return Reading(plain, numbers, Counter(list_parts(beginning)))


def list_parts(text: str) -> Iterator[str]:
    """Yields the parts of a text's words; of Han characters the pairs, too."""
    for run in find_runs(text):
        yield from slide(run if is_spaceless(run) else f" {run} ", 3)
        if is_spaceless(run):
            yield from slide(run, 2)


def count_parts(texts: Iterable[str]) -> Counter[str]:
    """Counts the texts that have each part."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(list_parts(text[:COMPARED_CHARACTERS])))
    return counts


def judge_session(turns: Sequence[Turn], counts: Mapping[str, int], texts: int) -> list[Unmet]:
    """Finds what a session shows about each of its turns.

    Args:
        turns: all turns, oldest first.
        counts: in how many of the night's turns each part occurs.
        texts: how many turns those are.
    """
    read = [read_text(turn.text) for turn in turns]
    last = len(turns) - 1
    later: set[str] = set()
    outcomes: list[Unmet] = []
    for at in range(last, -1, -1):
        words = read[at].words
        is_next = at < last and is_rephrasing(read[at], read[at + 1], counts, texts)
        outcomes.append(
            Unmet(bool(words) and words in later, is_next, at == last and turns[at].failed)
        )
        later.add(words)
    return outcomes[::-1]


def is_rephrasing(first: Reading, then: Reading, counts: Mapping[str, int], texts: int) -> bool:
    """Whether a turn asks the same as another one in other words; not if it has other numbers."""
    if first.words == then.words or (
        first.numbers and then.numbers and first.numbers != then.numbers
    ):
        return False
    return compare_readings(first, then, counts, texts) >= REPHRASED


def compare_readings(first: Reading, then: Reading, counts: Mapping[str, int], texts: int) -> float:
    """Returns the cosine of two turns' TF-IDF vectors, rounded."""
    one, other = (weigh_parts(reading, counts, texts) for reading in (first, then))
    return round(math.fsum(weight * other.get(part, 0.0) for part, weight in one.items()), 4)


def weigh_parts(reading: Reading, counts: Mapping[str, int], texts: int) -> dict[str, float]:
    """Returns a turn's TF-IDF vector, of length 1."""
    weights = {
        part: (1 + math.log(n)) * (1 + math.log((1 + texts) / (1 + counts.get(part, 0))))
        for part, n in reading.parts.items()
    }
    length = math.sqrt(math.fsum(weight * weight for weight in weights.values())) or 1.0
    return {part: weight / length for part, weight in weights.items()}
