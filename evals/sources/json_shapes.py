"""Checks on an API's answers: each returns a value of the expected JSON type or raises.

A `TypeError` here means that the answer has another shape than its system documents.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from evals.records import Json

Object: TypeAlias = dict[str, Json]
Scalar = TypeVar("Scalar", bound=str | int)


def require_object(value: Json) -> Object:
    """Returns a JSON object.

    Raises:
        TypeError: it is of another type.
    """
    if type(value) is not dict:
        raise TypeError("expected an object")
    return value


def require_objects(value: Json) -> list[Object]:
    """Returns a list of JSON objects.

    Raises:
        TypeError: it is no list, or an item is no object.
    """
    if type(value) is not list:
        raise TypeError("expected a list")
    return [require_object(item) for item in value]


def require_text(value: Json) -> str:
    """Returns a text; raises TypeError for a value of another type."""
    return require_scalar(value, str, "a text")


def require_count(value: Json) -> int:
    """Returns a whole number; raises TypeError for a value of another type."""
    return require_scalar(value, int, "a whole number")


def require_scalar(value: Json, kind: type[Scalar], name: str) -> Scalar:
    """Returns a value of a type.

    Raises:
        TypeError: it is of another type; true and false are no numbers.
    """
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"expected {name}")
    return value


def text_or_empty(value: Json) -> str:
    """Returns a text; an empty one for a value of another type."""
    return value if type(value) is str else ""
