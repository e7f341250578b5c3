"""Whether an answer abstains exactly where the question cannot be answered.

The gold set has both sorts of questions, as many of one as of the other; a report shows both kinds
of error apart.
"""

from __future__ import annotations

from pydantic import Field

from evals.evaluators import refusals
from evals.evaluators.code_checks import NO_GOLD, Examples, Params, Result, check, quoted
from evals.evaluators.comparisons import Comparison
from evals.records import Failure, Json, Outcome, Trace

ANSWERABLE = {"answerable": True, "unanswerable": False}
NAME = "answered"
"""The name under which a report counts answers and abstentions."""


class Abstention(Params):
    """Params of `abstention`."""

    more: tuple[str, ...] = Field(default=(), description="phrases beside those that are built in")

    def find_in(self, output: str) -> str:
        """Finds the phrase with which an answer abstains; empty where it answers."""
        return refusals.find_abstention(output) or refusals.find_own_phrase(
            self.more, output, refusals.APOLOGY_CHARACTERS
        )


def read_answerable(gold: Json) -> bool | None:
    """Reads whether a question can be answered: a word, true or false, or {"answerable": …}."""
    value = gold.get("answerable") if isinstance(gold, dict) else gold
    if isinstance(value, str):
        return ANSWERABLE.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def compare_abstention(trace: Trace, params: Abstention, gold: Json) -> Comparison | None:
    """Counts an answer as right, missed, invented, or rightly absent."""
    answerable = read_answerable(gold)
    if answerable is None:
        return None
    if params.find_in(trace.output):
        return (
            Comparison((), (), (NAME,), ()) if answerable else Comparison((), (), (), (), (NAME,))
        )
    return Comparison((NAME,), (), (), ()) if answerable else Comparison((), (), (), (NAME,))


@check(
    "abstention",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    params=Abstention,
    weak="it looks for phrases: an unusual abstention counts as an answer",
    compare=compare_abstention,
    examples=Examples(
        gold="unanswerable",
        passes={"output": "The passages do not mention the price."},
        fails={"output": "It costs 12 euros."},
    ),
)
def abstention(trace: Trace, params: Abstention, gold: Json) -> Result:
    """The answer abstains where gold is `unanswerable`, and answers where it is `answerable`.

    Value is 1 for an abstention, 0 for an answer. The report has both errors apart: questions with
    an answer that were not answered, and questions without one that were.
    """
    if gold is None:
        return NO_GOLD
    answerable = read_answerable(gold)
    if answerable is None:
        return Failure("bad-gold", "gold is neither `answerable` nor `unanswerable`")
    phrase = params.find_in(trace.output)
    value = float(bool(phrase))
    if bool(phrase) != answerable:
        return Outcome(True, value)
    words = f"abstains from a question that has an answer: {quoted(phrase)}"
    return Outcome(False, value, words if answerable else "answers a question that has no answer")
