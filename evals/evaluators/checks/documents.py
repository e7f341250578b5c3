"""Checks of answers that are JSON: its schema and its keys.

Values are compared with gold in `extraction`.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import regex
from pydantic import Field, field_validator

from evals.evaluators.code_checks import Examples, JsonParams, Result, check, quoted
from evals.evaluators.comparisons import UnreadableJson
from evals.records import Json, Outcome, Trace

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

ABSENT = object()
"""What a path leads to where an object has no such key."""


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


@check(
    "json_schema",
    behaviour=1,
    params=JsonSchema,
    examples=Examples(
        params={"schema": {"type": "object", "properties": {"price": {"type": "number"}}}},
        passes={"output": '{"price": 12.5}'},
        fails={"output": '{"price": "12.50 euros"}'},
    ),
)
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


@check(
    "json_keys",
    behaviour=1,
    params=JsonKeys,
    examples=Examples(
        params={"keys": ["price", "seller.name"], "filled": True},
        passes={"output": '{"price": 12.5, "seller": {"name": "Ada"}}'},
        fails={"output": '{"price": null, "seller": {}}'},
    ),
)
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
