"""Checks of an answer's form: its length, a known format, one of some values, a number's range.

JSON by schema is in `documents`; whether Markdown, HTML and code parse in `syntax`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from evals.evaluators import comparisons, numbers
from evals.evaluators.checks.documents import ABSENT, value_at_path
from evals.evaluators.checks.requests import describe_limits, is_within, refuse_wrong_limits
from evals.evaluators.code_checks import Examples, JsonParams, Params, Result, check, quoted
from evals.evaluators.comparisons import UnreadableJson
from evals.evaluators.normal_form import is_number, is_same_value, read_decimal
from evals.records import Json, Outcome, Trace

SENTENCE_END = re.compile(r"[.!?](?=[\s\"')\]]|$)|[。！？।؟]|\n\s*\n")
ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")


class Length(Params):
    """Params of `length`."""

    unit: Literal["characters", "words", "sentences", "lines"] = "words"
    min: int | None = Field(default=None, ge=0, description="the fewest")
    max: int | None = Field(default=None, ge=0, description="the most")

    @model_validator(mode="after")
    def check_limits(self) -> Length:
        """Accepts limits of which at least one is set, in their order."""
        refuse_wrong_limits(self.min, self.max)
        return self


COUNTERS: dict[str, Callable[[str], int]] = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "sentences": lambda text: sum(any(map(str.isalnum, part)) for part in SENTENCE_END.split(text)),
    "lines": lambda text: sum(bool(line.strip()) for line in text.splitlines()),
}


@check(
    "length",
    behaviour=1,
    params=Length,
    examples=Examples(
        params={"unit": "words", "max": 5},
        passes={"output": "It arrives on Friday."},
        fails={"output": "It will arrive on Friday in the early afternoon."},
    ),
)
def length(trace: Trace, params: Length, gold: Json) -> Result:
    """The output has a length within limits; value is the length.

    Spaces around it do not count; words are what spaces separate, lines those that are not blank.
    """
    n = COUNTERS[params.unit](trace.output.strip())
    if is_within(n, params.min, params.max):
        return Outcome(True, float(n))
    limits = describe_limits(params.min, params.max)
    return Outcome(False, float(n), f"{n:,} {params.unit}, expected {limits}")


class Located(JsonParams):
    """Params of checks of the whole output, or of a value in its JSON."""

    path: str | None = Field(default=None, description="a dotted path into the output's JSON")

    def list_values(self, output: str) -> list[Json]:
        """Returns the values to check: the output, or what the path leads to, a list one by one.

        Raises:
            UnreadableJson: where there is none.
        """
        if self.path is None:
            return [output.strip()]
        value = value_at_path(self.read_object(output), self.path)
        if value is ABSENT or value in (None, []):
            raise UnreadableJson(f"no {self.path}")
        return value if isinstance(value, list) else [value]  # pyright: ignore[reportReturnType, reportUnknownVariableType]  JSON


def is_date(text: str) -> bool:
    """Whether a text is a calendar day, as `2026-10-08`."""
    datetime.date.fromisoformat(text)
    return len(text) == 10


def is_moment(text: str) -> bool:
    """Whether a text is a moment by ISO 8601, with its date."""
    datetime.datetime.fromisoformat(text)
    return len(text) > 10


def is_url(text: str) -> bool:
    """Whether a text is an address of the web."""
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", text)


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    comparisons.read_json(text)
    return True


def is_list(text: str) -> bool:
    """Whether each line that is not blank is an item of a list."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all(map(ITEM.match, lines))


def build_matcher(pattern: str) -> Callable[[str], bool]:
    """Returns whether a text as a whole matches a pattern, in ASCII."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: bool(compiled.fullmatch(text))


FORMATS: dict[str, Callable[[str], bool]] = {
    "date": is_date,
    "datetime": is_moment,
    "email": build_matcher(
        r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}"
    ),
    "integer": build_matcher(r"[+-]?\d+"),
    "json": is_json,
    "list": is_list,
    "number": lambda text: read_decimal(text) is not None,
    "one_line": lambda text: len(text.splitlines()) == 1,
    "url": is_url,
    "uuid": build_matcher(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    "yes_no": lambda text: text.casefold() in ("yes", "no"),
}


class Format(Located):
    """Params of `format`."""

    format: Literal[
        "date", "datetime", "email", "integer", "json", "list", "number", "one_line", "url",
        "uuid", "yes_no",
    ]  # fmt: skip


@check(
    "format",
    behaviour=1,
    params=Format,
    examples=Examples(
        params={"format": "date"}, passes={"output": "2026-10-08"}, fails={"output": "8 October"}
    ),
)
def has_format(trace: Trace, params: Format, gold: Json) -> Result:
    """The output, or each value at a path of its JSON, is of a known format."""
    try:
        values = params.list_values(trace.output)
    except (UnreadableJson, RecursionError) as error:
        return Outcome(False, explanation=describe_unreadable(error))
    wrong = [value for value in values if not is_of_format(value, params.format)]
    shown = f"not of the format {params.format}: {quoted(wrong[0])}" if wrong else ""
    return Outcome(not wrong, explanation=shown)


def is_of_format(value: Json, name: str) -> bool:
    """Whether a value is of a format; what is no text is written as JSON first."""
    text = value if isinstance(value, str) else quoted(value, 1000)
    try:
        return FORMATS[name](text)
    except (ValueError, RecursionError):
        return False


def describe_unreadable(error: Exception) -> str:
    """Describes why there is no value to check."""
    return f"not readable: {'nested too deep' if isinstance(error, RecursionError) else error}"


class OneOf(Located):
    """Params of `one_of`."""

    values: tuple[str | int | float | bool, ...] = Field(min_length=1)
    ignore_case: bool = True


@check(
    "one_of",
    behaviour=1,
    params=OneOf,
    examples=Examples(
        params={"values": ["refund", "replace", "none"], "path": "action"},
        passes={"output": '{"action": "refund"}'},
        fails={"output": '{"action": "apologise"}'},
    ),
)
def one_of(trace: Trace, params: OneOf, gold: Json) -> Result:
    """The output, or each value at a path of its JSON, is one of some values."""
    try:
        found = params.list_values(trace.output)
    except (UnreadableJson, RecursionError) as error:
        return Outcome(False, explanation=describe_unreadable(error))
    wrong = [
        value
        for value in found
        if not any(is_same_value(value, one, params.ignore_case) for one in params.values)
    ]
    return Outcome(not wrong, explanation=f"{quoted(wrong[0])} is not allowed" if wrong else "")


class NumberRange(Located):
    """Params of `number_range`."""

    min: float | None = Field(default=None, description="the smallest")
    max: float | None = Field(default=None, description="the largest")

    @model_validator(mode="after")
    def check_limits(self) -> NumberRange:
        """Accepts limits of which at least one is set, in their order."""
        refuse_wrong_limits(self.min, self.max)
        return self

    def is_inside(self, readings: set[float]) -> bool:
        """Whether a number is within the limits in one of its readings."""
        return any(is_within(number, self.min, self.max) for number in readings)


@check(
    "number_range",
    behaviour=1,
    params=NumberRange,
    examples=Examples(
        params={"min": 0, "max": 100},
        passes={"output": "I am 85% sure."},
        fails={"output": "I am 850% sure."},
    ),
)
def number_range(trace: Trace, params: NumberRange, gold: Json) -> Result:
    """Every number in the output, or at a path of its JSON, is within limits; there is one."""
    try:
        values = params.list_values(trace.output)
    except (UnreadableJson, RecursionError) as error:
        return Outcome(False, explanation=describe_unreadable(error))
    found = [number for value in values for number in list_readings(value)]
    outside = [text for text, readings in found if not params.is_inside(readings)]
    if found and not outside:
        return Outcome(True)
    limits = describe_limits(params.min, params.max)
    what = quoted(outside[0], 40) if outside else "no number"
    return Outcome(False, explanation=f"{what}, expected {limits}")


def list_readings(value: Json) -> list[tuple[str, set[float]]]:
    """Returns each number of a value as written, with the amounts it may stand for."""
    if is_number(value) or (isinstance(value, str) and len(value) < 400):
        amount = read_decimal(value)
        if amount is not None:
            return [(str(value), {float(amount)})]
    if not isinstance(value, str):
        return []
    text = numbers.normalize_digits(value.replace("−", "-"))
    found: list[tuple[str, set[float]]] = []
    for match in numbers.NUMBER.finditer(text):
        before = text[max(match.start() - 2, 0) : match.start()]
        sign = -1.0 if before.endswith("-") and not before[:-1].strip() else 1.0
        readings = numbers.read_number(match).values
        amounts = {sign * float(one) for one in readings if read_decimal(one) is not None}
        if amounts:
            found.append((match[0], amounts))
    return found
