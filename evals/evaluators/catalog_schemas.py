"""The catalog's files as JSON Schemas, so that an editor can check what a team types.

Made from the specs and the checks' params. Names that refer to each other are `specs`' to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from evals.evaluators.guardrails import GUARDRAILS
from evals.evaluators.registry import SCORERS
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
    check = schema["$defs"]["Check"]
    for kind in ("assertion", "reference"):
        params = {name: s.params for name, s in SCORERS.items() if s.kind == kind}
        check["properties"][kind]["anyOf"][0]["enum"] = sorted(params)
        check.setdefault("allOf", []).extend(by_check(kind, params))
    check["oneOf"] = [{"required": [way]} for way in ("assertion", "reference", "judge")]
    return schema


def guardrail() -> Schema:
    """A guardrail, with the params its check takes."""
    params = {name: check.params for name, check in GUARDRAILS.items()}
    return {**of(Guardrail), "allOf": by_check("check", params)}


def by_check(key: str, params: Mapping[str, type[BaseModel]]) -> list[Schema]:
    """Where `key` names a check, `params` are that check's."""
    return [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {
                "properties": {"params": of(model)},
                **({"required": ["params"]} if of(model).get("required") else {}),
            },
        }
        for name, model in sorted(params.items())
    ]
