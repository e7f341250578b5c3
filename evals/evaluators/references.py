"""GoldAndLabels: an output beside its gold.

A trace without gold is skipped; what needs no gold is in `assertions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from evals.evaluators.comparisons import Compared, UnreadableJson
from evals.evaluators.sql import UnreadableSql
from evals.records import Failure, Outcome, Trace


class Attributes(JsonParams):
    """Params of `attributes`."""

    attributes: tuple[str, ...] | None = Field(default=None, description="null: every one")
    missing: tuple[str, ...] = ("n/a", "")
    ignore_case: bool = True

    def compare(self, said: Mapping[str, Any], gold: Mapping[str, Any]) -> Compared:
        """An extraction beside gold."""
        return comparisons.compare_attributes(
            said, gold, self.attributes, self.missing, self.ignore_case
        )


@check("attributes", kind="reference", needs_gold=True, behaviour=1, params=Attributes)
def attributes(trace: Trace, params: Attributes, gold: Any) -> Result:
    """Every attribute has its gold value and none is invented; value is the F1."""
    return against_gold(params, trace, gold)


@check("attribute_names", kind="reference", needs_gold=True, behaviour=1, params=Attributes)
def attribute_names(trace: Trace, params: Attributes, gold: Any) -> Result:
    """Every attribute that has a gold value is given some value; value is the share given."""
    if gold is None:
        return NO_GOLD
    if not isinstance(gold, Mapping):
        return Failure("bad-gold", "gold is not a map of attribute to value")
    try:
        said = params.read_object(trace.output)
    except UnreadableJson as error:
        return Outcome(False, 0.0, f"not a JSON object: {error}")
    missed = sorted(params.compare(said, gold).missed)
    share = 1 - len(missed) / len(gold) if gold else 1.0
    return Outcome(not missed, share, f"no value for {', '.join(missed)}"[:600] if missed else "")


class Attribute(JsonParams):
    """Params of `attribute`."""

    name: str
    missing: tuple[str, ...] = ("n/a", "")
    ignore_case: bool = True


@check("attribute", kind="reference", needs_gold=True, behaviour=1, params=Attribute)
def attribute(trace: Trace, params: Attribute, gold: Any) -> Result:
    """One attribute has its gold value; gold is a map of attributes, or that value itself."""
    if gold is not None and not isinstance(gold, Mapping):
        gold = {params.name: gold}
    one = params.model_dump(exclude={"name"}) | {"attributes": (params.name,)}
    return against_gold(Attributes.model_validate(one), trace, gold)


def against_gold(checked: Attributes, trace: Trace, gold: Any) -> Result:
    """The verdict over the attributes a check looks at."""
    if gold is None:
        return NO_GOLD
    if not isinstance(gold, Mapping):
        return Failure("bad-gold", "gold is not a map of attribute to value")
    try:
        said = checked.read_object(trace.output)
    except UnreadableJson as error:
        return Outcome(False, 0.0, f"not a JSON object: {error}")
    compared = checked.compare(said, gold)
    lines = [
        f"{name}: said {shown(said.get(name))}, gold {shown(gold.get(name))}"
        for name in sorted(compared.wrong + compared.missed + compared.invented)
    ]
    f1 = compared.f1()
    return Outcome(not lines, 1.0 if f1 is None else f1, quoted("; ".join(lines), 600))


def shown(value: Any) -> str:
    """An attribute's value in an explanation."""
    values = list(value) if isinstance(value, Mapping | list) else [value]
    return " or ".join("nothing" if v is None else quoted(v, 60) or "''" for v in values[:3])


class Equals(Params):
    """Params of `equals`."""

    ignore_case: bool = True


@check("equals", kind="reference", needs_gold=True, behaviour=1, params=Equals)
def equals(trace: Trace, params: Equals, gold: Any) -> Result:
    """The output is the gold text, or one of several, spaces (and case) evened out."""
    accepted = [v for v in (gold if isinstance(gold, list) else [gold]) if v is not None]
    if not accepted:
        return NO_GOLD
    said = comparisons.wording(trace.output, params.ignore_case)
    if said in {comparisons.wording(value, params.ignore_case) for value in accepted}:
        return Outcome(True)
    return Outcome(False, explanation=f"said {quoted(trace.output)}, gold {shown(accepted)}")


class SqlEquals(SqlParams):
    """Params of `sql_equals`."""

    tables_only: bool = Field(default=False, description="compare only the tables read")


@check("sql_equals", kind="reference", needs_gold=True, behaviour=1, params=SqlEquals)
def sql_equals(trace: Trace, params: SqlEquals, gold: Any) -> Result:
    """The SQL parses to the gold query, or reads the same tables."""
    wanted = gold.get("sql") if isinstance(gold, Mapping) else gold
    if wanted is None:
        return NO_GOLD
    try:
        expected = sql.read(wanted, params.dialect)
    except (UnreadableSql, TypeError) as error:
        return Failure("bad-gold", f"the gold query: {quoted(str(error), 200)}")
    answered = params.text(trace.output)
    try:
        query = sql.read(answered, params.dialect)
        same = params.tables_only or sql.same_query(answered, wanted, params.dialect)
    except UnreadableSql as error:
        return Outcome(False, explanation=f"not readable SQL: {quoted(str(error), 200)}")
    if query.tables != expected.tables:
        read, gold_read = (quoted(", ".join(q.tables) or "no table") for q in (query, expected))
        return Outcome(False, explanation=f"reads {read}; gold reads {gold_read}")
    return Outcome(same, explanation="" if same else "the same tables, another query")
