"""Frozen dataclasses as JSON objects and back.

Bodies are written in their canonical form and may hold any text of a trace, also half a surrogate
pair, which JSON libraries with types refuse. What a field means is its dataclass'.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, is_dataclass
from datetime import date
from typing import Annotated, Any, TypeVar, cast

from evals.records import Json

Kind = TypeVar("Kind")


def absent_if(default: Kind, *, unless: str = "") -> Kind:
    """A field whose key is left out while it has this value.

    Args:
        default: the value.
        unless: another field; where that one has a value the key is there all the same.
    """
    return field(default=default, metadata={"absent": True, "unless": unless})


def key_of(one: Field[Any]) -> str:
    """The key of a field: its name, but for words that Python keeps to itself."""
    return one.metadata.get("key", one.name)


def is_absent(record: Any, one: Field[Any]) -> bool:
    """Whether a field's key is left out."""
    if not one.metadata.get("absent") or getattr(record, one.name) != one.default:
        return False
    unless = one.metadata["unless"]
    return not unless or getattr(record, unless) is None


def to_json(value: Any) -> Json:
    """A record, or what is made of records, as JSON."""
    if is_dataclass(value):
        shown = (one for one in fields(value) if not is_absent(value, one))
        return {key_of(one): to_json(getattr(value, one.name)) for one in shown}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in cast("Sequence[Any]", value)]
    if isinstance(value, Mapping):
        return {key: to_json(one) for key, one in cast("Mapping[str, Any]", value).items()}
    return value.isoformat() if isinstance(value, date) else value


def from_json(kind: type[Kind], value: Json) -> Kind:
    """JSON as a record of a type; a key it does not know is left aside.

    Raises:
        ValueError: a key without a default is missing.
    """
    return reader(kind)(value)


@functools.cache
def reader(kind: Any) -> Callable[[Any], Any]:
    """What reads a value of a type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return reader(inner[0])
    if is_dataclass(kind):
        return functools.partial(read_record, kind)
    if origin is tuple:
        each = reader(inner[0])
        return lambda value: tuple(map(each, value))
    if origin is Mapping:
        each = reader(inner[1])
        return lambda value: {key: each(one) for key, one in value.items()}
    if origin in (typing.Union, types.UnionType):
        others = [reader(one) for one in inner if one is not types.NoneType]
        if len(others) == 1:
            return lambda value: None if value is None else others[0](value)
    return date.fromisoformat if kind is date else lambda value: value


def read_record(kind: Any, value: Mapping[str, Any]) -> Any:
    """An object as a dataclass."""
    known = plan(kind)
    missing = [key for key, _, _, needed in known if needed and key not in value]
    if missing:
        raise ValueError(f"{kind.__name__} has no `{missing[0]}`: keys are {', '.join(value)}")
    return kind(**{name: read(value[key]) for key, name, read, _ in known if key in value})


@functools.cache
def plan(kind: Any) -> list[tuple[str, str, Callable[[Any], Any], bool]]:
    """A dataclass' keys: each with its field, what reads its value, and whether it is needed."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        (
            key_of(one),
            one.name,
            reader(hints[one.name]),
            one.default is MISSING and one.default_factory is MISSING,
        )
        for one in fields(kind)
        if one.init
    ]
