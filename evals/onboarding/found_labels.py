"""The labels in an export, by dimension: who gave them, and what their words probably mean.

A guess is written to the suite for a person to read; nothing here runs at night.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from evals.evaluators.label_verdicts import is_from_people, spell_verdict
from evals.records import Label, Verdict
from evals.specs import NAME

PAIRS = (
    ("pass", "fail"), ("true", "false"), ("yes", "no"), ("good", "bad"), ("correct", "incorrect"),
    ("right", "wrong"), ("up", "down"), ("positive", "negative"), ("1", "0"),
)  # fmt: skip
"""Words for a good and a bad answer."""


class LabelledDimension(NamedTuple):
    """What an export has labels about."""

    name: str
    words: Mapping[str, int]
    """The words that people used, with how often."""
    others: int
    """Labels of judges and rules."""

    @property
    def people(self) -> int:
        """How many labels people gave."""
        return sum(self.words.values())

    @property
    def map(self) -> dict[str, Verdict]:
        """What the words of people probably mean; empty where that is unclear."""
        words = {word.casefold() for word in self.words}
        pair = next((pair for pair in PAIRS if words and words <= set(pair)), None)
        return {pair[0]: "pass", pair[1]: "fail"} if pair else {}

    @property
    def dimension(self) -> str:
        """A valid name for it in a suite; empty where none of its characters fits one."""
        if re.fullmatch(NAME, self.name, re.ASCII):
            return self.name
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:64]

    @property
    def is_usable(self) -> bool:
        """Whether a suite can have it as a dimension."""
        return bool(self.map and self.dimension)


def list_labelled(labels: Iterable[Label]) -> list[LabelledDimension]:
    """Lists what labels are about, by name."""
    words: dict[str, Counter[str]] = {}
    others = Counter[str]()
    for label in labels:
        counts = words.setdefault(label.dimension, Counter())
        if is_from_people(label):
            counts[spell_verdict(label.verdict)] += 1
        else:
            others[label.dimension] += 1
    return [LabelledDimension(name, words[name], others[name]) for name in sorted(words)]
