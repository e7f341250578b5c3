"""The catalog's files as JSON Schemas, so that an editor can check what a team types.

Made from the specs and the checks' params. Names that refer to each other are `specs`' to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from evals.evaluators import registry
from evals.evaluators.resolution import PolicyParams
from evals.specs import (
    App,
    Attacks,
    Catalog,
    Guardrail,
    Judge,
    ModelPin,
    Slice,
    Source,
    Suite,
    ValidationSuite,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ELSEWHERE = (
    "root",
    "problems",
    "broken",
    "models",
    "apps",
    "suites",
    "judges",
    "guardrails",
    "slices",
    "attacks",
    "sources",
    "validation",
)
"""Parts of a catalog that have files of their own."""
FILES = {
    "catalog": "catalog.yaml",
    "app": "apps/NAME.yaml",
    "suite": "suites/NAME.yaml",
    "judge": "judges/NAME.yaml",
    "guardrail": "guardrails/NAME.yaml",
    "validation": "validation/NAME.yaml",
    "models": "models.yaml",
    "slices": "slices.yaml",
    "attacks": "attacks.yaml",
    "sources": "sources.yaml",
}

Schema = dict[str, Any]


class Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def of(model: type[BaseModel]) -> Schema:
    """A model's schema."""
    return model.model_json_schema(schema_generator=Untitled)


def schemas() -> dict[str, Schema]:
    """One schema for each kind of file in `FILES`."""
    made = {
        "catalog": catalog(),
        "app": of(App),
        "suite": suite(),
        "judge": of(Judge),
        "guardrail": guardrail(),
        "validation": of(ValidationSuite),
        "models": named(ModelPin),
        "slices": slices(),
        "attacks": of(Attacks),
        "sources": named(Source),
    }
    return {
        kind: {"$schema": DIALECT, **schema, "title": f"Andon: {FILES[kind]}"}
        for kind, schema in made.items()
    }


def catalog() -> Schema:
    """What `catalog.yaml` itself may say."""
    schema = of(Catalog)
    properties = {k: v for k, v in schema["properties"].items() if k not in ELSEWHERE}
    kept = ("Mapping", "Column", "Retention")
    defs = {name: schema["$defs"][name] for name in kept}
    left = {k: v for k, v in schema.items() if k != "required"}
    about = {"description": "The catalog's own settings."}
    return {**left, **about, "properties": properties, "$defs": defs}


def named(model: type[BaseModel]) -> Schema:
    """Specs by short name: the name is the key, not a field."""
    spec = of(model)
    defs = spec.pop("$defs", {})
    del spec["properties"]["name"]
    spec["required"] = [key for key in spec["required"] if key != "name"]
    return {"type": "object", "additionalProperties": spec, **({"$defs": defs} if defs else {})}


def slices() -> Schema:
    """A list, each line defined in exactly one way."""
    ways = [{"required": [key]} for key in ("by", "where", "keyword")]
    return {"type": "array", "items": {**of(Slice), "oneOf": ways}}


def suite() -> Schema:
    """Dimensions, each check with the params it takes."""
    schema = of(Suite)
    schema["$defs"]["Check"] = check(schema["$defs"]["Check"])
    return schema


def check(schema: Schema) -> Schema:
    """A check as it is written: one kind as the key of a name, with the params that name takes."""
    rest = {key: value for key, value in schema["properties"].items() if key in ("params", "gold")}
    rules: list[Schema] = []
    for kind in registry.declared_kinds():
        found = registry.types_of(kind).values()
        rules += by_check(kind, {one.name: one.params for one in found if not one.names_specs})
    named = kinds(registry.declared_kinds())
    return {**schema, **named, "properties": {**named["properties"], **rest}, "allOf": rules}


def kinds(known: Mapping[str, str]) -> Schema:
    """One of some kinds as the key of a name."""
    properties = {}
    for kind, description in known.items():
        found = registry.types_of(kind)
        name: Schema = {"type": "string"}
        if not any(one.names_specs for one in found.values()):
            name["enum"] = sorted(found)
        either = {"anyOf": [name, {"type": "null"}]}
        properties[kind] = {**either, "default": None, "description": description}
    return {"properties": properties, "required": [], "oneOf": [{"required": [k]} for k in known]}


def guardrail() -> Schema:
    """A guardrail, with the params its evaluator takes and those of its policy."""
    schema, found = of(Guardrail), registry.reference_free()
    about = {"description": "An evaluator as in a suite; its params are beside it."}
    named = kinds({k: words for k, words in registry.declared_kinds().items() if may_guard(k)})
    schema["$defs"]["Check"] = {**schema["$defs"]["Check"], **about, **named}
    schema["properties"]["check"]["anyOf"][0]["enum"] = sorted(found)
    params = {name: one.params for name, one in found.items()}
    return {**schema, "allOf": by_check("check", params, of(PolicyParams)["properties"])}


def may_guard(kind: str) -> bool:
    """Whether a kind has evaluators that need no gold."""
    return not all(one.needs_gold for one in registry.types_of(kind).values())


def by_check(
    key: str, params: Mapping[str, type[BaseModel]], more: Mapping[str, Schema] | None = None
) -> list[Schema]:
    """Where `key` names a check, `params` are that check's, and `more`."""
    return [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {
                "properties": {"params": with_more(of(model), more or {})},
                **({"required": ["params"]} if of(model).get("required") else {}),
            },
        }
        for name, model in sorted(params.items())
    ]


def with_more(schema: Schema, more: Mapping[str, Schema]) -> Schema:
    """An object's schema with some more keys."""
    if not more:
        return schema
    return {**schema, "properties": {**more, **schema.get("properties", {})}}
