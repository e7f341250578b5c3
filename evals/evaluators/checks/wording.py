"""Checks of an answer's words: strings, patterns, refusal, apology and repetition.

What the words state is compared with the source in `source`.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import regex
from pydantic import Field, field_validator

from evals.evaluators import refusals
from evals.evaluators.code_checks import Examples, Params, Result, check, quoted
from evals.evaluators.normal_form import fold_case, normalize_characters
from evals.records import Failure, Json, Outcome, Skip, Trace


class Words(Params):
    """Strings looked for in an output; the params of `not_contains`."""

    values: tuple[str, ...] = Field(min_length=1)
    ignore_case: bool = False

    def find_in(self, text: str) -> list[str]:
        """Returns the values that a text contains."""
        normalize = fold_case if self.ignore_case else normalize_characters
        normalized = normalize(text)
        return [value for value in self.values if normalize(value) in normalized]


class Contains(Words):
    """Params of `contains`."""

    match: Literal["all", "any"] = "all"


@check(
    "contains",
    behaviour=2,
    params=Contains,
    examples=Examples(
        params={"values": ["not legal advice"], "ignore_case": True},
        passes={"output": "Not legal advice: you may cancel within 14 days."},
        fails={"output": "You may cancel within 14 days."},
    ),
)
def contains(trace: Trace, params: Contains, gold: Json) -> Result:
    """The output contains all (or any) of some strings."""
    present = params.find_in(trace.output)
    if present if params.match == "any" else len(present) == len(params.values):
        return Outcome(True)
    absent = [quoted(value) for value in params.values if value not in present]
    return Outcome(False, explanation=f"does not contain {', '.join(absent)}")


@check(
    "not_contains",
    behaviour=2,
    params=Words,
    examples=Examples(
        params={"values": ["guarantee"], "ignore_case": True},
        passes={"output": "It usually arrives on Friday."},
        fails={"output": "We guarantee that it arrives on Friday."},
    ),
)
def not_contains(trace: Trace, params: Words, gold: Json) -> Result:
    """The output contains none of some strings."""
    present = params.find_in(trace.output)
    explanation = f"contains {', '.join(quoted(value) for value in present)}" if present else ""
    return Outcome(not present, explanation=explanation)


class Pattern(Params):
    """Params of `regex`."""

    pattern: str
    forbid: bool = Field(default=False, description="pass where nothing matches")
    full: bool = Field(default=False, description="match the whole output")
    ignore_case: bool = False
    timeout_s: float = Field(default=1.0, gt=0, le=60)

    @field_validator("pattern")
    @classmethod
    def check_pattern(cls, value: str) -> str:
        """Accepts only a regular expression."""
        try:
            regex.compile(value)
        except regex.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


@check(
    "regex",
    behaviour=2,
    params=Pattern,
    examples=Examples(
        params={"pattern": r"[A-Z]{2}-\d{4}", "full": True},
        passes={"output": "PX-3381"},
        fails={"output": "parcel 3381"},
    ),
)
def matches_pattern(trace: Trace, params: Pattern, gold: Json) -> Result:
    """A regular expression matches the output, as written or normalized (or, forbidden, neither).

    So a decomposed letter, a no-break space or a soft hyphen hides nothing that is forbidden.
    """
    compiled = regex.compile(params.pattern, regex.IGNORECASE if params.ignore_case else 0)
    search = compiled.fullmatch if params.full else compiled.search
    texts = dict.fromkeys((trace.output, normalize_characters(trace.output)))
    try:
        match = next(filter(None, (search(text, timeout=params.timeout_s) for text in texts)), None)
    except TimeoutError:
        message = f"the pattern took over {params.timeout_s:g} s; make it simpler"
        return Failure("regex-timeout", message)
    if params.forbid:
        return Outcome(not match, explanation=f"matches: {quoted(match[0])}" if match else "")
    explanation = "" if match else f"no match of {quoted(params.pattern)}"
    return Outcome(bool(match), explanation=explanation)


class Phrases(Params):
    """Params of `no_refusal` and `no_apology`."""

    more: tuple[str, ...] = Field(default=(), description="phrases beside those that are built in")


@check(
    "no_refusal",
    behaviour=1,
    params=Phrases,
    weak="it looks for phrases: an unusual refusal passes",
    examples=Examples(
        passes={"output": "Stop the process with `kill PID`."},
        fails={"output": "I'm sorry, but I can't help with that."},
    ),
)
def no_refusal(trace: Trace, params: Phrases, gold: Json) -> Result:
    """The answer does not refuse: no phrase of refusal in its first 300 characters.

    Phrases of ten languages are built in; the same show requests that were not met.
    """
    found = refusals.find_refusal(trace.output) or refusals.find_own_phrase(
        params.more, trace.output, refusals.REFUSAL_CHARACTERS
    )
    return Outcome(not found, explanation=f"refuses: {quoted(found)}" if found else "")


@check(
    "no_apology",
    behaviour=1,
    params=Phrases,
    weak="it looks for phrases: an unusual apology passes",
    examples=Examples(
        passes={"output": "Your parcel arrives on Friday."},
        fails={"output": "We apologise for the delay. Your parcel arrives on Friday."},
    ),
)
def no_apology(trace: Trace, params: Phrases, gold: Json) -> Result:
    """The answer does not apologise: no such phrase in its first 600 characters."""
    found = refusals.find_apology(trace.output) or refusals.find_own_phrase(
        params.more, trace.output, refusals.APOLOGY_CHARACTERS
    )
    return Outcome(not found, explanation=f"apologises: {quoted(found)}" if found else "")


class Repetition(Params):
    """Params of `no_repetition`."""

    words: int = Field(default=5, ge=1, le=50, description="a run of words, this many")
    times: int = Field(default=3, ge=1, description="how often a run may occur")


@check(
    "no_repetition",
    behaviour=1,
    params=Repetition,
    examples=Examples(
        params={"words": 3, "times": 2},
        passes={"output": "The parcel is late. It arrives on Friday."},
        fails={"output": "It is late. It is late. It is late. It is late."},
    ),
)
def no_repetition(trace: Trace, params: Repetition, gold: Json) -> Result:
    """No run of words occurs again and again; value is the share of runs that occurred before.

    In a text without spaces between words, such as Japanese, each two characters count as one.
    """
    runs = list_runs(fold_case(trace.output), params.words)
    if not runs:
        return Skip("too-short")
    counts = Counter(runs)
    run, most = counts.most_common(1)[0]
    share = round(1 - len(counts) / len(runs), 4)
    if most <= params.times:
        return Outcome(True, share)
    return Outcome(False, share, f"{most} times: {quoted(run)}")


LONG_WORD = 24
"""A text whose words are longer on average has no spaces between its words."""


def list_runs(text: str, length: int) -> list[str]:
    """Lists every run of words in a text."""
    words, joint = text.split(), " "
    if words and len(text) > LONG_WORD * len(words):
        words, joint, length = list("".join(words)), "", 2 * length
    return [joint.join(words[n : n + length]) for n in range(len(words) - length + 1)]
