"""References: checks that compare an output with its gold.

A trace without gold is skipped; what needs no gold is in `assertions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from evals.evaluators import comparisons, sql
from evals.evaluators.code_checks import (
    NO_GOLD,
    JsonParams,
    Params,
    Result,
    SqlParams,
    check,
    quoted,
)
from evals.evaluators.comparisons import Comparison, UnreadableJson
from evals.evaluators.normal_form import is_number, is_same_value
from evals.evaluators.sql import UnreadableSql
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


@check("attributes", kind="reference", needs_gold=True, behaviour=2, params=Attributes)
def attributes(trace: Trace, params: Attributes, gold: Json) -> Result:
    """Every attribute has its gold value and none is invented; value is the F1."""
    return compare_with_gold(params, trace, gold)


@check("attribute_names", kind="reference", needs_gold=True, behaviour=2, params=Attributes)
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


@check("attribute", kind="reference", needs_gold=True, behaviour=2, params=Attribute)
def attribute(trace: Trace, params: Attribute, gold: Json) -> Result:
    """One attribute has its gold value; gold is a map of attributes, or that value itself."""
    if gold is not None and not isinstance(gold, dict):
        gold = {params.name: gold}
    narrowed = params.model_dump(exclude={"name"}) | {"attributes": (params.name,)}
    return compare_with_gold(Attributes.model_validate(narrowed), trace, gold)


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
        f"{name}: said {show_values(answered.get(name))}, gold {show_values(expected.get(name))}"
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


class Equals(Params):
    """Params of `equals`."""

    ignore_case: bool = True


@check("equals", kind="reference", needs_gold=True, behaviour=2, params=Equals)
def equals(trace: Trace, params: Equals, gold: Json) -> Result:
    """The output is the gold text, or one of several, spaces (and case) evened out."""
    accepted: list[Json] = [
        v for v in (gold if isinstance(gold, list) else [gold]) if v is not None
    ]
    if not accepted:
        return NO_GOLD
    if any(is_gold_text(trace.output, value, params.ignore_case) for value in accepted):
        return Outcome(True)
    return Outcome(False, explanation=f"said {quoted(trace.output)}, gold {show_values(accepted)}")


def is_gold_text(output: str, gold: Json, ignore_case: bool) -> bool:
    """Whether an output is a gold value; a gold object or list is compared with it as JSON."""
    if not isinstance(gold, dict | list):
        return is_same_value(output, gold, ignore_case)
    try:
        return is_same_value(comparisons.read_json(output), gold, ignore_case)
    except (UnreadableJson, RecursionError):
        return False


class SqlEquals(SqlParams):
    """Params of `sql_equals`."""

    tables_only: bool = Field(default=False, description="compare only the tables read")


@check("sql_equals", kind="reference", needs_gold=True, behaviour=1, params=SqlEquals)
def sql_equals(trace: Trace, params: SqlEquals, gold: Json) -> Result:
    """The SQL parses to the gold query, or reads the same tables."""
    wanted = gold.get("sql") if isinstance(gold, dict) else gold
    if wanted is None:
        return NO_GOLD
    try:
        if not isinstance(wanted, str):
            raise UnreadableSql("not a text")
        expected = sql.read_query(wanted, params.dialect)
    except UnreadableSql as error:
        return Failure("bad-gold", f"the gold query: {quoted(str(error), 200)}")
    answered = params.sql_in(trace.output)
    try:
        query = sql.read_query(answered, params.dialect)
        same = params.tables_only or sql.is_same_query(answered, wanted, params.dialect)
    except UnreadableSql as error:
        return Outcome(False, explanation=f"not readable SQL: {quoted(str(error), 200)}")
    if query.tables != expected.tables:
        read, gold_read = (quoted(", ".join(q.tables) or "no table") for q in (query, expected))
        return Outcome(False, explanation=f"reads {read}; gold reads {gold_read}")
    return Outcome(same, explanation="" if same else "the same tables, another query")
