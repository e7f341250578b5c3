"""The JSON Schemas of the catalog's files, for editors.

Built from the specs and the checks' params. References between files are checked in `evals.specs`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from evals.evaluators import registry
from evals.evaluators.resolution import PolicyParams
from evals.records import Json
from evals.specs import (
    App,
    Attacks,
    Catalog,
    Classifier,
    Guardrail,
    Judge,
    ModelPin,
    Slice,
    Source,
    Suite,
    ValidationSuite,
)
from evals.specs.load import ELSEWHERE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES = {
    "catalog": "catalog.yaml",
    "app": "apps/NAME.yaml",
    "suite": "suites/NAME.yaml",
    "judge": "judges/NAME.yaml",
    "classifier": "classifiers/NAME.yaml",
    "guardrail": "guardrails/NAME.yaml",
    "validation": "validation/NAME.yaml",
    "models": "models.yaml",
    "slices": "slices.yaml",
    "attacks": "attacks.yaml",
    "sources": "sources.yaml",
}

Schema = dict[str, Json]


class Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the key."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Leaves out every title."""
        return False


def schema_of(model: type[BaseModel]) -> Schema:
    """Returns a model's schema."""
    return model.model_json_schema(schema_generator=Untitled)


def build_schemas() -> dict[str, Schema]:
    """Builds one schema for each kind of file in `FILES`."""
    made = {
        "catalog": build_catalog(),
        "app": schema_of(App),
        "suite": build_suite(),
        "judge": schema_of(Judge),
        "classifier": schema_of(Classifier),
        "guardrail": build_guardrail(),
        "validation": schema_of(ValidationSuite),
        "models": build_named(ModelPin),
        "slices": build_slices(),
        "attacks": schema_of(Attacks),
        "sources": build_named(Source),
    }
    return {
        kind: {"$schema": DIALECT, **schema, "title": f"Andon: {FILES[kind]}"}
        for kind, schema in made.items()
    }


def nested(schema: Schema, *keys: str) -> Schema:
    """Returns the object at a path of keys inside a schema."""
    for key in keys:
        inner = schema[key]
        assert isinstance(inner, dict)  # noqa: S101  pydantic generates it so
        schema = inner
    return schema


def build_catalog() -> Schema:
    """Builds the schema of `catalog.yaml`."""
    schema = schema_of(Catalog)
    properties = {k: v for k, v in nested(schema, "properties").items() if k not in ELSEWHERE}
    own = ("Mapping", "Column", "Retention", "Anchors")
    defs = {name: nested(schema, "$defs", name) for name in own}
    rest = {k: v for k, v in schema.items() if k != "required"}
    about = {"description": "The catalog's own settings."}
    return {**rest, **about, "properties": properties, "$defs": {**defs}}


def build_named(model: type[BaseModel]) -> Schema:
    """Builds the schema of specs by short name: the name is the key, not a field."""
    spec = schema_of(model)
    defs = spec.pop("$defs", None)
    del nested(spec, "properties")["name"]
    required = spec["required"]
    spec["required"] = [k for k in required if k != "name"] if isinstance(required, list) else []
    return {"type": "object", "additionalProperties": spec, **({"$defs": defs} if defs else {})}


def build_slices() -> Schema:
    """Builds the schema of a list whose entries are each defined in exactly one way."""
    ways: list[Json] = [{"required": [key]} for key in ("by", "where", "keyword")]
    return {"type": "array", "items": {**schema_of(Slice), "oneOf": ways}}


def build_suite() -> Schema:
    """Builds the schema of dimensions, each check with the params it takes."""
    schema = schema_of(Suite)
    nested(schema, "$defs")["Check"] = build_check(nested(schema, "$defs", "Check"))
    return schema


def build_check(schema: Schema) -> Schema:
    """Builds the schema of `KIND: NAME` with the params that the name takes."""
    properties = nested(schema, "properties")
    rest = {key: value for key, value in properties.items() if key in ("params", "gold")}
    rules: list[Json] = []
    for kind in registry.declared_kinds():
        types = registry.types_of(kind).values()
        rules += build_rules(kind, {one.name: one.params for one in types if not one.names_specs})
    kinds = build_kinds(registry.declared_kinds())
    named = {**nested(kinds, "properties"), **rest}
    return {**schema, **kinds, "properties": named, "allOf": rules}


def build_kinds(descriptions: Mapping[str, str]) -> Schema:
    """Builds the schema of an object whose key is one of some kinds."""
    properties: Schema = {}
    for kind, description in descriptions.items():
        types = registry.types_of(kind)
        name: Schema = {"type": "string"}
        if not any(one.names_specs for one in types.values()):
            name["enum"] = [*sorted(types)]
        either: list[Json] = [name, {"type": "null"}]
        properties[kind] = {"anyOf": either, "default": None, "description": description}
    exactly_one: list[Json] = [{"required": [kind]} for kind in descriptions]
    return {"properties": properties, "required": [], "oneOf": exactly_one}


def build_guardrail() -> Schema:
    """Builds the schema of a guardrail, with the params of its evaluator and of its policy."""
    schema, types = schema_of(Guardrail), registry.reference_free()
    about = {"description": "An evaluator as in a suite; its params are beside it."}
    kinds = {k: about for k, about in registry.declared_kinds().items() if may_guard(k)}
    defs = nested(schema, "$defs")
    defs["Check"] = {**nested(defs, "Check"), **about, **build_kinds(kinds)}
    check = nested(schema, "properties", "check")
    named: Schema = {"type": "string", "enum": [*sorted(types)]}
    either = check["anyOf"]
    check["anyOf"] = [named, *(either[1:] if isinstance(either, list) else [])]
    params = {name: one.params for name, one in types.items()}
    policy = nested(schema_of(PolicyParams), "properties")
    return {**schema, "allOf": build_rules("check", params, policy)}


def may_guard(kind: str) -> bool:
    """Whether a kind has evaluators that need no gold."""
    return not all(one.needs_gold for one in registry.types_of(kind).values())


def build_rules(
    key: str, params: Mapping[str, type[BaseModel]], more: Schema | None = None
) -> list[Json]:
    """Builds the rules that where `key` names a check, `params` are that check's, and `more`."""
    return [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {
                "properties": {"params": add_properties(schema_of(model), more or {})},
                **({"required": ["params"]} if schema_of(model).get("required") else {}),
            },
        }
        for name, model in sorted(params.items())
    ]


def add_properties(schema: Schema, more: Schema) -> Schema:
    """Adds properties to an object's schema."""
    if not more:
        return schema
    own = nested(schema, "properties") if "properties" in schema else {}
    return {**schema, "properties": {**more, **own}}
