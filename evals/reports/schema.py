"""The JSON Schema of a report, made from the dataclasses of its frame and its sections.

It ships as `report.schema.json`, written by `python -m tests.docs`; `report.schema` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, TypedDict, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, with_config
from pydantic.json_schema import GenerateJsonSchema

from evals.reports import sections
from evals.reports.json_form import name_key
from evals.reports.report import SCHEMA_VERSION, Frame

DIALECT = "https://json-schema.org/draft/2020-12/schema"

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIG = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class Schema(TypedDict, total=False):
    """The keys of a JSON Schema that are corrected here."""

    title: str
    description: str
    default: object
    properties: dict[str, Schema]
    required: list[str]
    anyOf: list[Schema]
    type: str


class Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the key."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Returns False: no key gets a title."""
        return False


def make_schema() -> dict[str, object]:
    """Makes the schema of a body: the frame's keys, then one for each section."""
    kinds = {"Frame": Frame} | {section.name: section.part for section in sections.SECTIONS}
    records = {kind for root in kinds.values() for kind in list_dataclasses(root)}
    for kind in records:
        with_config(CONFIG)(kind)
    schemas, shared = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(kind)) for name, kind in kinds.items()],
        schema_generator=Untitled,
    )
    parts = {name: schema for (name, _), schema in schemas.items()}
    defs: dict[str, Schema] = shared.get("$defs", {})
    for kind in records:
        correct_schema(kind, defs[kind.__name__])
    frame = defs.pop("Frame")
    properties: dict[str, object] = {**frame.get("properties", {})}
    properties |= {
        section.name: {**parts[section.name], "description": section.about}
        for section in sections.SECTIONS
    }
    needed = [section.name for section in sections.SECTIONS if section.default is None]
    return {
        "$schema": DIALECT,
        "$id": f"andon-report-{SCHEMA_VERSION}",
        "title": "Andon report",
        "description": "One night of one application.",
        "type": "object",
        "properties": properties,
        "required": ["schema_version", *frame.get("required", []), *needed],
        "additionalProperties": False,
        "$defs": defs,
    }


def correct_schema(kind: type[DataclassInstance], schema: Schema) -> None:
    """Corrects a dataclass' schema: keys as in JSON, and keys that may be absent never null."""
    schema.pop("title", None)
    join_lines(schema)
    properties = schema.get("properties", {})
    for member in fields(kind):
        value = properties[member.name]
        value.pop("default", None)
        join_lines(value)
        if member.metadata.get("absent") and not member.metadata["unless"]:
            drop_null(value)
    keys = {member.name: name_key(member) for member in fields(kind)}
    schema["properties"] = {keys[name]: value for name, value in properties.items()}
    if "required" in schema:
        schema["required"] = [keys[name] for name in schema["required"]]


def drop_null(value: Schema) -> None:
    """Removes null from the types that a key may have."""
    others = [option for option in value.get("anyOf", ()) if option != {"type": "null"}]
    if len(others) == 1:
        del value["anyOf"]
        value.update(others[0])


def list_dataclasses(kind: object) -> Iterator[type[DataclassInstance]]:
    """Yields the dataclasses that a type is made of, each after those in its fields."""
    for argument in get_args(kind):
        yield from list_dataclasses(argument)
    if isinstance(kind, type) and is_dataclass(kind):
        for hint in get_type_hints(kind, include_extras=True).values():
            yield from list_dataclasses(hint)
        yield kind


def join_lines(schema: Schema) -> None:
    """Puts a description on one line."""
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
