"""Checks on an API's answers: each returns a value of the expected JSON type or raises.

A `TypeError` here means that the answer has another shape than its system documents.
"""

from __future__ import annotations

from typing import TypeAlias

from evals.records import Json

Object: TypeAlias = dict[str, Json]


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
    """Returns a text.

    Raises:
        TypeError: it is of another type.
    """
    if type(value) is not str:
        raise TypeError("expected a text")
    return value


def require_count(value: Json) -> int:
    """Returns a whole number.

    Raises:
        TypeError: it is of another type.
    """
    if type(value) is not int:
        raise TypeError("expected a whole number")
    return value


def text_or_empty(value: Json) -> str:
    """Returns a text; an empty one for a value of another type."""
    return value if type(value) is str else ""
