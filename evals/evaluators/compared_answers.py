"""Judges that compare a trace's answer with another one, in both orders.

The other answer is the evaluator's gold. Single answers are judged in `judges`; what many pairs
show of a judge is `evals.statistics.preferences`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from evals.evaluators.protocol import Result
from evals.records import Json, Outcome

RENDERING = 1
"""Raised when the same two answers are shown in another way."""
BEHAVIOUR = 1
"""Raised when the same two verdicts conclude another result."""

ASKED = (
    "Two answers are quoted, `answer_a` and `answer_b`. The verdict is A where the first one is "
    "better, B where the second one is, and tie where neither is. Neither their order nor their "
    "length makes one of them better."
)
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "critique": {"type": "string"},
        "verdict": {"type": "string", "enum": ["A", "B", "tie"]},
    },
    "required": ["critique", "verdict"],
    "additionalProperties": False,
}
WORDS = {"a": 1.0, "b": 0.0, "tie": 0.5}
"""How far each verdict prefers the answer shown first."""
SECOND = ".2"
"""How the key of a content's second answer ends, in which the trace's answer is shown last."""


class OtherAnswer(NamedTuple):
    """What is compared with the trace's answer, and which of the two is shown first."""

    text: str
    is_own_first: bool

    @classmethod
    def read(cls, value: Json) -> OtherAnswer:
        """Reads the form in which a content stores it."""
        stored = cast("dict[str, Json]", value) if isinstance(value, dict) else {}
        return cls(str(stored.get("other", "")), stored.get("own", "first") == "first")

    def store(self) -> Json:
        """Returns the form in which a content stores it."""
        return {"other": self.text, "own": "first" if self.is_own_first else "last"}


def add_answers(material: dict[str, str], gold: Json) -> None:
    """Puts both answers, in their order, in place of the trace's one."""
    own, other = material.pop("output"), OtherAnswer.read(gold)
    answers = (own, other.text) if other.is_own_first else (other.text, own)
    material |= dict(zip(("answer_a", "answer_b"), answers, strict=True))


def prefer_own(key: str, first: float) -> Outcome:
    """Returns how far the trace's answer is preferred, from how far the one shown first is."""
    own = 1 - first if key.endswith(SECOND) else first
    return Outcome(own > 0, own)


def conclude(shown_first: Result, shown_last: Result) -> Result:
    """Concludes from the verdicts of both orders: what depends on the order is a tie.

    A tie passes: the answer is at least as good as the other one.
    """
    if not isinstance(shown_first, Outcome):
        return shown_first
    if not isinstance(shown_last, Outcome):
        return shown_last
    critique = f": {shown_first.explanation}" if shown_first.explanation else ""
    if shown_first.value != shown_last.value:
        return Outcome(True, 0.5, f"a tie, since the verdict depends on the order{critique}")
    words = {1.0: "better in both orders", 0.0: "worse in both orders", 0.5: "a tie"}
    value = shown_first.value or 0.0
    return Outcome(value > 0, value, f"{words[value]}{critique}")
