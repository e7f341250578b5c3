"""Assertions: checks of an output that need no right answer.

Comparing with a right answer is in `references`; numbers and SQL are parsed elsewhere.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Literal

import regex
from pydantic import Field, field_validator

from evals.evaluators import numbers, sql
from evals.evaluators.code_checks import (
    NO_GOLD,
    JsonParams,
    Params,
    Result,
    SqlParams,
    check,
    quoted,
)
from evals.evaluators.comparisons import UnreadableJson
from evals.evaluators.normal_form import fold_case, normalize_characters
from evals.evaluators.sql import UnreadableSql
from evals.records import Failure, Json, Outcome, Skip, Trace

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

ABSENT = object()
"""What a path leads to where an object has no such key."""


@check("answered", reads=("status",), behaviour=1)
def is_answered(trace: Trace, params: Params, gold: Json) -> Result:
    """The request was answered, and to its end.

    An answer that was cut off fails, since its user did not get what was asked for; the other
    evaluators still read what was delivered of it.
    """
    return Outcome(trace.status == "ok", explanation=UNANSWERED.get(trace.status, ""))


UNANSWERED = {
    "error": "the request ended in an error",
    "timeout": "the request timed out",
    "cut_off": "the answer was cut off",
    "filtered": "a content filter stopped the answer",
    "empty": "the answer is empty",
}


class JsonSchema(JsonParams):
    """Params of `json_schema`."""

    schema_: dict[str, Any] | bool = Field(alias="schema")

    @field_validator("schema_")
    @classmethod
    def check_schema(cls, value: dict[str, Json] | bool) -> dict[str, Json] | bool:
        """Accepts only a valid schema whose references stay inside it."""
        if message := find_schema_problem(json.dumps(value, sort_keys=True)):
            raise ValueError(message)
        return value


def find_schema_problem(schema: str) -> str | None:
    """Returns what is wrong with a JSON Schema, or None."""
    from jsonschema import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    value = json.loads(schema)
    try:
        validator_for(value, Draft202012Validator).check_schema(value)
    except SchemaError as error:
        return f"not a JSON Schema: {error.message}"
    remote = regex.search(r'"\$(?:ref|dynamicRef)": "(?!#)([^"]*)"', schema)
    return f"$ref {remote[1]!r} is not inside the schema (`#…`)" if remote else None


@functools.lru_cache(maxsize=256)
def compile_schema(schema: str) -> Validator:
    """Returns the validator of a schema in canonical JSON; it resolves no remote reference."""
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing.jsonschema import EMPTY_REGISTRY

    value = json.loads(schema)
    return validator_for(value, Draft202012Validator)(value, registry=EMPTY_REGISTRY)


@check("json_schema", behaviour=1, params=JsonSchema)
def json_schema(trace: Trace, params: JsonSchema, gold: Json) -> Result:
    """The output is JSON that a schema accepts; explains the first error by place."""
    try:
        value = params.read(trace.output)
        validator = compile_schema(json.dumps(params.schema_, sort_keys=True))
        errors = sorted((e.json_path, e.message) for e in validator.iter_errors(value))
    except UnreadableJson as error:
        return Outcome(False, explanation=f"not JSON: {error}")
    except RecursionError:
        return Outcome(False, explanation="JSON nested too deep")
    if not errors:
        return Outcome(True)
    path, message = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Outcome(False, explanation=f"{quoted(path)}: {quoted(message, 200)}{more}")


class JsonKeys(JsonParams):
    """Params of `json_keys`."""

    keys: tuple[str, ...] = Field(min_length=1, description="dotted paths that must be there")
    only: bool = Field(default=False, description="refuse other top-level keys")
    filled: bool = Field(default=False, description="null and empty values count as absent")


@check("json_keys", behaviour=1, params=JsonKeys)
def json_keys(trace: Trace, params: JsonKeys, gold: Json) -> Result:
    """The output is a JSON object with every expected key; value is the share present."""
    try:
        value = params.read_object(trace.output)
    except UnreadableJson as error:
        return Outcome(False, 0.0, f"not a JSON object: {error}")
    empty: tuple[object, ...] = (ABSENT, None, "", [], {}) if params.filled else (ABSENT,)
    absent = [key for key in params.keys if value_at_path(value, key) in empty]
    top = {key.split(".")[0] for key in params.keys} | set(params.keys)
    extra = sorted(set(value) - top) if params.only else []
    problems = [f"no {key}" for key in absent] + [f"unexpected {quoted(key)}" for key in extra]
    share = 1 - len(absent) / len(params.keys)
    return Outcome(not problems, share, quoted(", ".join(problems), 300))


def value_at_path(value: Json, path: str) -> object:
    """Returns the value at a dotted path (a key that contains dots wins), or ABSENT."""
    if isinstance(value, dict) and path in value:
        return value[path]
    head, _, rest = path.partition(".")
    if isinstance(value, dict) and head in value:
        return value_at_path(value[head], rest)
    return ABSENT


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


@check("contains", behaviour=2, params=Contains)
def contains(trace: Trace, params: Contains, gold: Json) -> Result:
    """The output contains all (or any) of some strings."""
    present = params.find_in(trace.output)
    if present if params.match == "any" else len(present) == len(params.values):
        return Outcome(True)
    absent = [quoted(value) for value in params.values if value not in present]
    return Outcome(False, explanation=f"does not contain {', '.join(absent)}")


@check("not_contains", behaviour=2, params=Words)
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


@check("regex", behaviour=2, params=Pattern)
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


class SqlReadsTables(SqlParams):
    """Params of `sql_reads_tables`."""

    tables: tuple[str, ...] = Field(default=(), description="empty: gold names them")
    only: bool = Field(default=False, description="refuse a query that reads other tables too")
    read_only: bool = Field(default=True, description="refuse anything that is more than a read")


@check("sql_reads_tables", behaviour=1, params=SqlReadsTables)
def sql_reads_tables(trace: Trace, params: SqlReadsTables, gold: Json) -> Result:
    """The SQL reads the expected tables; names a `WITH` defines are not tables."""
    wanted = [name.lower() for name in params.tables or read_table_names(gold)]
    if not wanted:
        return NO_GOLD
    try:
        query = sql.read_query(params.sql_in(trace.output), params.dialect)
    except UnreadableSql as error:
        return Outcome(False, explanation=f"not readable SQL: {quoted(str(error), 200)}")
    if params.read_only and query.writes:
        return Outcome(False, explanation=f"not a mere read: {', '.join(query.writes)}")
    absent = [w for w in wanted if not any(is_table(t, w) for t in query.tables)]
    extra = [t for t in query.tables if not any(is_table(t, w) for w in wanted)]
    if not absent and not (extra and params.only):
        return Outcome(True)
    read = quoted(", ".join(query.tables) or "no table", 200)
    return Outcome(False, explanation=f"reads {read}; expected {', '.join(wanted)}")


def read_table_names(gold: Json) -> list[str]:
    """Returns the tables a gold value names: a name, a list of names, or {"tables": …}."""
    value = gold.get("tables") if isinstance(gold, dict) else gold
    if isinstance(value, str):
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def is_table(name: str, wanted: str) -> bool:
    """Whether a table is the wanted one; a name without a schema matches any schema."""
    return name == wanted or name.endswith(f".{wanted}")


class NumbersInSource(Params):
    """Params of `numbers_in_source`."""

    ignore_up_to: int = Field(default=0, ge=0, description="whole numbers up to this are free")
    ignore_ordinals: bool = True
    ignore_list_markers: bool = True
    language: numbers.Language = Field(default="en", description="whose number words are read")


@check(
    "numbers_in_source", reads=("input", "context", "output"), behaviour=3, params=NumbersInSource
)
def numbers_in_source(trace: Trace, params: NumbersInSource, gold: Json) -> Result:
    """Every number in the output is stated in the input or the context; value is the share."""
    source = f"{trace.input}\n{trace.context or ''}"
    if not source.strip():
        return Skip("no-source")
    text = trace.output
    if params.ignore_list_markers:
        text = numbers.drop_list_markers(text)
    free = {str(number) for number in range(params.ignore_up_to + 1)} - {"0"}
    claims = [
        number
        for number in numbers.find_claims(text, params.language)
        if not (number.is_ordinal and params.ignore_ordinals) and not number.values & free
    ]
    stated = numbers.find_stated_values(source, params.language)
    new = [number.text for number in claims if not number.is_stated(stated)]
    share = 1 - len(new) / len(claims) if claims else None
    listed = ", ".join(dict.fromkeys(quoted(number, 30) for number in new[:20]))
    return Outcome(not new, share, f"not in the source: {listed}" if new else "")
