"""Comparisons of extracted attributes with their gold values.

A trace without gold is skipped. How values are compared is in `evals.evaluators.comparisons`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from evals.evaluators import comparisons
from evals.evaluators.code_checks import NO_GOLD, Examples, JsonParams, Result, check, quoted
from evals.evaluators.comparisons import Comparison, UnreadableJson
from evals.evaluators.normal_form import is_number
from evals.records import Failure, Json, Outcome, Trace


class Attributes(JsonParams):
    """Params of `attributes`."""

    attributes: tuple[str, ...] | None = Field(default=None, description="null: every one")
    missing: tuple[str, ...] = ("n/a", "")
    ignore_case: bool = True

    def compare(self, extracted: Mapping[str, Json], gold: Mapping[str, Json]) -> Comparison:
        """Compares an extraction with gold."""
        return comparisons.compare_attributes(
            extracted, gold, self.attributes, self.missing, self.ignore_case
        )


def compare_parts(trace: Trace, params: Attributes, gold: Json) -> Comparison | None:
    """Compares the attributes one by one; an unreadable output has none of them."""
    if not isinstance(gold, dict):
        return None
    try:
        return params.compare(params.read_object(trace.output), gold)
    except (UnreadableJson, RecursionError):
        return params.compare({}, gold)


def compare_part(trace: Trace, params: Attribute, gold: Json) -> Comparison | None:
    """Compares one attribute; gold may be its value itself."""
    if gold is None:
        return None
    return compare_parts(trace, params.as_attributes(), params.as_map(gold))


@check(
    "attributes",
    kind="reference",
    needs_gold=True,
    behaviour=2,
    params=Attributes,
    compare=compare_parts,
    examples=Examples(
        gold={"brand": "Diesel", "colour": ["red", "crimson"], "size": None},
        passes={"output": '{"brand": "diesel", "colour": "red", "size": "n/a"}'},
        fails={"output": '{"brand": "Diesel", "colour": "red", "size": "42"}'},
    ),
)
def attributes(trace: Trace, params: Attributes, gold: Json) -> Result:
    """Every attribute has its gold value and none is invented; value is the F1."""
    return compare_with_gold(params, trace, gold)


@check(
    "attribute_names",
    kind="reference",
    needs_gold=True,
    behaviour=2,
    params=Attributes,
    examples=Examples(
        gold={"brand": "Diesel", "colour": ["red", "crimson"], "size": None},
        passes={"output": '{"brand": "Prada", "colour": "blue"}'},
        fails={"output": '{"brand": "Diesel"}'},
    ),
)
def attribute_names(trace: Trace, params: Attributes, gold: Json) -> Result:
    """Every attribute that has a gold value is given some value; value is the share given."""
    compared = compare_extraction(params, trace, gold)
    if not isinstance(compared, Compared):
        return compared
    missed = sorted(compared.comparison.missed)
    share = 1 - len(missed) / len(compared.gold) if compared.gold else 1.0
    return Outcome(not missed, share, f"no value for {', '.join(missed)}"[:600] if missed else "")


class Attribute(JsonParams):
    """Params of `attribute`."""

    name: str
    missing: tuple[str, ...] = ("n/a", "")
    ignore_case: bool = True

    def as_attributes(self) -> Attributes:
        """Returns the params of a comparison of this attribute alone."""
        narrowed = self.model_dump(exclude={"name"}) | {"attributes": (self.name,)}
        return Attributes.model_validate(narrowed)

    def as_map(self, gold: Json) -> Json:
        """Returns gold as a map of attributes."""
        return gold if gold is None or isinstance(gold, dict) else {self.name: gold}


@check(
    "attribute",
    kind="reference",
    needs_gold=True,
    behaviour=2,
    params=Attribute,
    compare=compare_part,
    examples=Examples(
        params={"name": "colour"},
        gold={"brand": "Diesel", "colour": ["red", "crimson"], "size": None},
        passes={"output": '{"brand": "diesel", "colour": "red", "size": "n/a"}'},
        fails={"output": '{"brand": "Diesel", "colour": "blue"}'},
    ),
)
def attribute(trace: Trace, params: Attribute, gold: Json) -> Result:
    """One attribute has its gold value; gold is a map of attributes, or that value itself."""
    return compare_with_gold(params.as_attributes(), trace, params.as_map(gold))


class Compared(NamedTuple):
    """An output's attributes beside their gold values."""

    attributes: dict[str, Json]
    gold: dict[str, Json]
    comparison: Comparison


def compare_extraction(params: Attributes, trace: Trace, gold: Json) -> Compared | Result:
    """Compares the attributes with gold; returns the result where either cannot be read."""
    if gold is None:
        return NO_GOLD
    if not isinstance(gold, dict):
        return Failure("bad-gold", "gold is not a map of attribute to value")
    try:
        extracted = params.read_object(trace.output)
        return Compared(extracted, gold, params.compare(extracted, gold))
    except UnreadableJson as error:
        return Outcome(False, 0.0, f"not a JSON object: {error}")
    except RecursionError:
        return Outcome(False, 0.0, "not a JSON object: nested too deep")


def compare_with_gold(params: Attributes, trace: Trace, gold: Json) -> Result:
    """Passes where every compared attribute has its gold value; value is the F1."""
    compared = compare_extraction(params, trace, gold)
    if not isinstance(compared, Compared):
        return compared
    answered, expected, comparison = compared
    lines = [
        f"{name}: got {show_values(answered.get(name))}, expected {show_values(expected.get(name))}"
        for name in sorted(comparison.wrong + comparison.missed + comparison.invented)
    ]
    f1 = comparison.f1()
    return Outcome(not lines, 1.0 if f1 is None else f1, quoted("; ".join(lines), 600))


def show_values(value: Json) -> str:
    """Formats an attribute's value for an explanation."""
    if isinstance(value, dict) and not all(map(is_number, value.values())):
        return quoted(value, 120)
    values = list(value) if isinstance(value, dict | list) else [value]
    return " or ".join("nothing" if v is None else quoted(v, 60) or "''" for v in values[:3])


class AttributeF1(Attributes):
    """Params of `attribute_f1`."""

    at_least: float = Field(default=0.8, ge=0, le=1, description="the F1 that passes")


@check(
    "attribute_f1",
    kind="reference",
    needs_gold=True,
    behaviour=1,
    params=AttributeF1,
    compare=compare_parts,
    examples=Examples(
        gold={"brand": "Diesel", "colour": ["red", "crimson"], "size": None},
        passes={"output": '{"brand": "Diesel", "colour": "red", "size": "42"}'},
        fails={"output": '{"brand": "Diesel", "colour": "blue"}'},
    ),
)
def attribute_f1(trace: Trace, params: AttributeF1, gold: Json) -> Result:
    """The F1 of an extraction's values is high enough; value is the F1."""
    result = compare_with_gold(params, trace, gold)
    if not isinstance(result, Outcome) or result.value is None or result.passed:
        return result
    return Outcome(result.value >= params.at_least, result.value, result.explanation)
