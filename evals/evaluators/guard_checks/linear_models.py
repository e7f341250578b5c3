"""Linear classifiers over hashed words and pairs of words, which need no library at run time.

They are trained by `tests/measure/training.py`, on the texts that `docs/guardrails.md` lists.
"""

from __future__ import annotations

import base64
import functools
import json
import math
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from evals.evaluators.guard_checks.words import list_words, windows_of

FOLDER = Path(__file__).with_name("weights")
WINDOW = 80
"""Words that are scored together: what is in one place of a long text is not diluted."""
BUCKETS = 2**15
LEAST_FEATURES = 16
"""A window counts as having at least so many: one word of a short text is not all of it."""


class Stored(TypedDict):
    """A classifier as it is stored."""

    about: str
    scale: float
    """What a weight of 1 is worth."""
    threshold: float
    weights: str
    """One signed byte a bucket, in base64."""


@dataclass(frozen=True)
class LinearModel:
    """A trained classifier."""

    scale: float
    threshold: float
    """The score above which a text fails."""
    weights: array[int]

    def score(self, text: str) -> float:
        """Returns the log odds of the worst window of a text."""
        return max(map(self.score_window, windows_of(list_words(text), WINDOW)))

    def score_window(self, words: Sequence[str]) -> float:
        """Returns the log odds of some words."""
        buckets = set(hash_features(words))
        total = sum(map(self.weights.__getitem__, buckets))
        return self.scale * total / norm_of(len(buckets))


def norm_of(count: int) -> float:
    """Returns what the sum over so many features is divided by."""
    return math.sqrt(max(count, LEAST_FEATURES))


def hash_features(words: Sequence[str]) -> Iterator[int]:
    """Yields the bucket of each word and of each pair of neighbours."""
    before = b""
    for word in words:
        code = word.encode("utf-8", "ignore")
        yield zlib.crc32(code) % BUCKETS
        if before:
            yield zlib.crc32(before + b" " + code) % BUCKETS
        before = code


def probability(score: float) -> float:
    """Returns the probability of log odds; not calibrated on a team's own texts."""
    return 1 / (1 + math.exp(-max(min(score, 60.0), -60.0)))


@functools.cache
def load_model(name: str) -> LinearModel:
    """Loads a classifier that comes with Andon."""
    stored: Stored = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    weights = array("b", base64.b64decode(stored["weights"]))
    return LinearModel(stored["scale"], stored["threshold"], weights)
