"""The JSON Schema of a report, made from the dataclasses of its frame and its sections.

It ships as `report.schema.json`, written by `python -m tests.docs`; `report.schema` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from evals.reports import sections
from evals.reports.json_form import key_of
from evals.reports.report import SCHEMA_VERSION, Frame

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def make_schema() -> Schema:
    """The schema of a body: the frame's keys, then each section's."""
    kinds = {"Frame": Frame} | {one.name: one.part for one in sections.SECTIONS}
    records = {kind for root in kinds.values() for kind in dataclasses_in(root)}
    for kind in records:
        kind.__pydantic_config__ = ConfigDict(use_attribute_docstrings=True, extra="forbid")
    made, shared = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(kind)) for name, kind in kinds.items()],
        schema_generator=Untitled,
    )
    parts = {name: schema for (name, _), schema in made.items()}
    defs: dict[str, Schema] = shared.get("$defs", {})
    for kind in records:
        as_written(kind, defs[kind.__name__])
    frame = defs.pop("Frame")
    properties = frame["properties"] | {
        one.name: {**parts[one.name], "description": one.about} for one in sections.SECTIONS
    }
    needed = [one.name for one in sections.SECTIONS if one.default is None]
    return {
        "$schema": DIALECT,
        "$id": f"andon-report-{SCHEMA_VERSION}",
        "title": "Andon report",
        "description": "One night of one application.",
        "type": "object",
        "properties": properties,
        "required": ["schema_version", *frame["required"], *needed],
        "additionalProperties": False,
        "$defs": defs,
    }


def as_written(kind: Any, schema: Schema) -> None:
    """Corrects a dataclass' schema: keys as they are in JSON, and absent ones never null."""
    schema.pop("title", None)
    one_line(schema)
    properties: dict[str, Schema] = schema["properties"]
    for one in fields(kind):
        value = properties[one.name]
        value.pop("default", None)
        one_line(value)
        if one.metadata.get("absent") and not one.metadata["unless"]:
            drop_null(value)
    keys = {one.name: key_of(one) for one in fields(kind)}
    schema["properties"] = {keys[name]: value for name, value in properties.items()}
    if "required" in schema:
        schema["required"] = [keys[name] for name in schema["required"]]


def drop_null(value: Schema) -> None:
    """Takes null out of what a key may hold."""
    held = [one for one in value.get("anyOf", ()) if one != {"type": "null"}]
    if len(held) == 1:
        del value["anyOf"]
        value.update(held[0])


def dataclasses_in(kind: Any) -> Iterator[Any]:
    """The dataclasses a type is made of, each after those it holds."""
    for one in get_args(kind):
        yield from dataclasses_in(one)
    if isinstance(kind, type) and is_dataclass(kind):
        for hint in get_type_hints(kind, include_extras=True).values():
            yield from dataclasses_in(hint)
        yield kind


def one_line(schema: Schema) -> None:
    """Puts a description on one line."""
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
