"""How a dimension reads labels, as a suite declares it: words, pooling, and what no label means.

Only declarations: `evals.evaluators.label_verdicts` applies them.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from evals.specs.spec import Spec

Meaning = Literal["pass", "fail", "skip"]

Pool = Literal["majority", "worst"]
"""How several annotators of one answer become one verdict."""

CONDITION = re.compile(r"\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class Condition(NamedTuple):
    """A key of a map that numbers are compared with, such as `>= 4`."""

    sign: str
    limit: float

    def holds(self, number: float) -> bool:
        """Whether a number is on its side of the limit."""
        return COMPARE[self.sign](number, self.limit)


class LabelRules(Spec):
    """How labels are read: each word as pass, fail or skip, and several labels as one verdict."""

    map: dict[str, str] = Field(default={})
    maps: dict[str, dict[str, str]] = Field(default={})
    """Another map for a kind of annotator, by the kind."""
    pool: Pool = "majority"
    unlabelled: Literal["pass", "fail"] | None = None
    """What it means that no person labelled a trace; None: nothing."""

    def map_for(self, annotator_kind: str) -> Mapping[str, str]:
        """Returns the map of a kind of annotator."""
        return self.maps.get(annotator_kind, self.map)


def parse_condition(key: str) -> Condition | None:
    """Returns a key of a map as a condition on numbers; None where it is a word."""
    match = CONDITION.fullmatch(key)
    return Condition(match[1], float(match[2])) if match else None


def parse_number(verdict: object) -> float | None:
    """Returns a verdict as a number; None where it is none."""
    if isinstance(verdict, bool) or not isinstance(verdict, int | float | str):
        return None
    try:
        number = float(verdict)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def fold_word(word: str) -> str:
    """Returns a word as it is compared: without case and the spaces around it."""
    return word.strip().casefold()


def refuse_contradiction(mapping: Mapping[str, str]) -> None:
    """Refuses two keys that differ only in case or spaces and have different meanings.

    Raises:
        ValueError: naming both.
    """
    seen: dict[str, str] = {}
    for key, meaning in mapping.items():
        other = seen.setdefault(fold_word(key), key)
        if mapping[other] != meaning:
            problem = "are one word, since case and spaces around it do not count; keep one"
            raise ValueError(f"{other!r} and {key!r} {problem}")
