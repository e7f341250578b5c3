"""Frozen dataclasses as JSON objects and back.

Bodies are written in canonical form and may hold any text of a trace, also half a surrogate pair,
which JSON libraries with types refuse. What a field means is documented in its dataclass.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, is_dataclass
from datetime import date
from typing import Annotated, NamedTuple, TypeVar, cast

from pydantic import Field as Limits

from evals.records import Json

if typing.TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind")

Count = Annotated[int, Limits(ge=0)]
Share = Annotated[float, Limits(ge=0, le=1)]
Change = Annotated[float, Limits(ge=-1, le=1)]
"""A difference of two shares."""


def absent_if(default: Kind, *, unless: str = "") -> Kind:
    """Declares a field whose key is left out of the JSON while it has its default.

    Args:
        default: the default.
        unless: another field; while that field has a value, the key is written all the same.
    """
    return field(default=default, metadata={"absent": True, "unless": unless})


def name_key(member: Field[object]) -> str:
    """Returns a field's JSON key: its name, unless that key is a reserved word in Python."""
    return member.metadata.get("key", member.name)


def is_absent(record: object, member: Field[object]) -> bool:
    """Whether a field's key is left out of the JSON."""
    if not member.metadata.get("absent") or getattr(record, member.name) != member.default:
        return False
    unless = member.metadata["unless"]
    return not unless or getattr(record, unless) is None


def to_json(value: object) -> Json:
    """Converts a record, or a list or mapping of records, to JSON."""
    if is_dataclass(value):
        shown = (item for item in fields(value) if not is_absent(value, item))
        return {name_key(item): to_json(getattr(value, item.name)) for item in shown}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in cast("Mapping[str, object]", value).items()}
    return value.isoformat() if isinstance(value, date) else cast("Json", value)


def from_json(kind: type[Kind], value: object) -> Kind:
    """Converts JSON to a record of a type; unknown keys are ignored.

    Raises:
        ValueError: a key without a default is missing.
    """
    return cast("Kind", find_reader(kind)(value))


@functools.cache
def find_reader(kind: object) -> Callable[[object], object]:
    """Returns the function that reads JSON as a value of a type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return find_reader(inner[0])
    if is_dataclass(kind):
        return functools.partial(read_record, cast("type[DataclassInstance]", kind))
    if origin is tuple:
        return functools.partial(read_tuple, find_reader(inner[0]))
    if origin is Mapping:
        return functools.partial(read_mapping, find_reader(inner[1]))
    if origin in (typing.Union, types.UnionType):
        others = [find_reader(argument) for argument in inner if argument is not types.NoneType]
        if len(others) == 1:
            return lambda value: None if value is None else others[0](value)
    return read_date if kind is date else lambda value: value


def read_tuple(read: Callable[[object], object], value: object) -> tuple[object, ...]:
    """Reads each value of a JSON list."""
    return tuple(map(read, cast("Iterable[object]", value)))


def read_mapping(read: Callable[[object], object], value: object) -> dict[str, object]:
    """Reads each value of a JSON object."""
    return {key: read(item) for key, item in cast("Mapping[str, object]", value).items()}


def read_date(value: object) -> date:
    """Reads a date in ISO form."""
    return date.fromisoformat(cast("str", value))


def read_record(kind: Callable[..., object], value: object) -> object:
    """Reads a JSON object as a dataclass."""
    keys, values = list_keys(kind), cast("Mapping[str, object]", value)
    missing = [key.key for key in keys if key.is_required and key.key not in values]
    if missing:
        raise ValueError(f"{kind.__name__} has no `{missing[0]}`: keys are {', '.join(values)}")
    return kind(**{key.name: key.read(values[key.key]) for key in keys if key.key in values})


class Key(NamedTuple):
    """A key of a JSON object, and the dataclass field that it fills."""

    key: str
    name: str
    read: Callable[[object], object]
    is_required: bool


@functools.cache
def list_keys(kind: Callable[..., object]) -> list[Key]:
    """Returns the keys of a dataclass."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        Key(
            name_key(member),
            member.name,
            find_reader(hints[member.name]),
            member.default is MISSING and member.default_factory is MISSING,
        )
        for member in fields(cast("type[DataclassInstance]", kind))
        if member.init
    ]
