"""Explains in a catalog's own words what pydantic refuses: where it is, and which keys there are.

Reads no file; the line of a key is found in `yaml_files`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from evals.records import Json

KEY = "[key]"
"""The last part of a location that is a key itself, and not its value."""


class Problem(NamedTuple):
    """One thing that is wrong with a value."""

    at: tuple[int | str, ...]
    """Keys and indexes that lead to it in the file."""
    message: str


def list_problems(kind: type[BaseModel], value: Json, error: ValidationError) -> list[Problem]:
    """Lists what is wrong with a value, without the alternatives that it was not meant as."""
    details = error.errors()
    return [
        Problem(
            strip_alternatives(value, detail["loc"], is_missing=detail["type"] == "missing"),
            explain(kind, detail),
        )
        for detail in details
        if not is_other_alternative(detail["loc"], details)
    ]


def explain_first(kind: type[BaseModel], error: ValidationError) -> Problem:
    """Explains the first thing that is wrong with a line of a file of JSON lines."""
    first = error.errors()[0]
    return Problem(first["loc"], explain(kind, first))


def is_other_alternative(at: Sequence[int | str], details: Sequence[ErrorDetails]) -> bool:
    """Whether another alternative at the same place was read further than this one.

    Of a number or an object, an object with a wrong key is refused twice: it is no number, and
    the key is wrong.
    """
    above = (*at[:-1],)
    deeper = (other["loc"] for other in details if len(other["loc"]) > len(at))
    return bool(above) and any(
        (*other[: len(above)],) == above and other[len(above)] != at[-1] for other in deeper
    )


def strip_alternatives(
    value: Json, at: Sequence[int | str], *, is_missing: bool
) -> tuple[int | str, ...]:
    """Strips the names of alternatives, which pydantic adds, from a location.

    A last key that is missing stays: it is the one that is needed.
    """
    kept: list[int | str] = []
    for number, key in enumerate(at):
        inner = step_into(value, key)
        rest = (*at[number + 1 :],)
        if inner is not None:
            value = inner[0]
            kept.append(key)
        elif KEY in (key, *rest[:1]) or (is_missing and not rest):
            kept.append(key)
    return tuple(kept)


def step_into(value: Json, key: int | str) -> tuple[Json] | None:
    """Returns what is under a key or an index, in a tuple; None where there is none."""
    if isinstance(value, dict):
        return next(((inner,) for name, inner in value.items() if str(name) == str(key)), None)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return (value[key],)
    return None


def explain(kind: type[BaseModel], detail: ErrorDetails) -> str:
    """Explains what is wrong and, of a key that does not exist, which there are."""
    *above, last = detail["loc"] or ("",)
    if detail["type"] == "extra_forbidden":
        return explain_unknown(str(last), list_keys(kind, above))
    if detail["type"] == "missing":
        return "this key is needed"
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "expected keys and values"
    return detail["msg"].removeprefix("Value error, ")


def explain_unknown(name: str, keys: Sequence[str]) -> str:
    """Explains that there is no such key, with the nearest one or all that there are."""
    if near := find_nearest(name, keys):
        return f"there is no such key; did you mean `{near}`?"
    return f"there is no such key; expected one of {', '.join(keys)}" if keys else "not expected"


def find_nearest(name: str, names: Iterable[str]) -> str | None:
    """Finds the name that was probably meant; None where none is near."""
    by_fold = {one.casefold(): one for one in names}
    near = difflib.get_close_matches(name.strip().casefold(), list(by_fold), n=1)
    return by_fold[near[0]] if near else None


def list_keys(kind: type[BaseModel], at: Sequence[int | str]) -> list[str]:
    """Lists the keys that a place may have, by the specs that may be there."""
    kinds = [kind]
    for key in at:
        named = [one for one in kinds if one.__name__ == key]
        inner = [found for one in kinds for found in find_kinds_of(one, key)]
        kinds = named or inner or kinds
    return list(dict.fromkeys(key for one in kinds for key in list_own_keys(one)))


def list_own_keys(kind: type[BaseModel]) -> Iterator[str]:
    """Yields the keys of a spec as files write them."""
    for name, field in kind.model_fields.items():
        yield field.alias or name


def find_kinds_of(kind: type[BaseModel], key: int | str) -> Iterator[type[BaseModel]]:
    """Yields the specs that the value of a key may be."""
    for name, field in kind.model_fields.items():
        if key in (name, field.alias):
            yield from find_kinds(field.annotation)


def find_kinds(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields the specs in an annotation, such as those of a list or of alternatives."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from find_kinds(argument)
