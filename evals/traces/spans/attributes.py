"""Sorts a span's attributes by field, whichever conventions name them.

The conventions are tables in `genai`, `openinference` and `vendors`; `facts` interprets the fields.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal, NamedTuple

from evals.records import Json
from evals.traces.messages.plain_text import remove_data
from evals.traces.spans import genai, openinference, vendors

VOCABULARIES = (genai, openinference, vendors)
"""Where two attributes hold the same field, the earlier vocabulary wins."""


def rank_attributes() -> dict[str, tuple[str, int]]:
    """Returns each attribute's field and its rank among the field's attributes, 0 the best."""
    ranks: dict[str, tuple[str, int]] = {}
    for name in {name for vocabulary in VOCABULARIES for name in vocabulary.FIELDS}:
        keys = [key for vocabulary in VOCABULARIES for key in vocabulary.FIELDS.get(name, ())]
        ranks |= {key: (name, rank) for rank, key in enumerate(keys)}
    return ranks


RANKS = rank_attributes()
LISTS = {base: name for words in VOCABULARIES for base, name in words.LISTS.items()}
MAPS = {prefix: name for words in VOCABULARIES for prefix, name in words.MAPS.items()}
IGNORED = frozenset(key for words in VOCABULARIES for key in words.IGNORED)
MAX_PATH = 12
MAX_VECTOR = 32
"""A longer list of numbers is a vector, of which only the length is kept."""
NOT_VERSIONS = ("telemetry.", "process.", "os.", "host.", "otel.", "network.", "http.", "tls.")
MAX_KEY = 200


class Target(NamedTuple):
    """Where an attribute's value goes."""

    kind: Literal["field", "list", "map", "ignored", "unknown"]
    name: str = ""
    rank: int = 0
    path: tuple[str, ...] = ()


UNKNOWN, IGNORE = Target("unknown"), Target("ignored")
FIELDS = {key: Target("field", *field) for key, field in RANKS.items()}


def find_target(key: str) -> Target:
    """Finds where the value of an attribute goes, by its name."""
    return UNKNOWN if len(key) > MAX_KEY else find_short_target(key)


@functools.lru_cache(maxsize=2**15)
def find_short_target(key: str) -> Target:
    """Finds where the value of an attribute goes that is no field by itself."""
    if key in IGNORED:
        return IGNORE
    for base, name in LISTS.items():
        if key.startswith(base) and key[len(base) : len(base) + 1] == ".":
            path = tuple(key[len(base) + 1 :].split(".", MAX_PATH))
            if path[0].isdecimal():
                return Target("list", name, 0, path)
    for prefix, name in MAPS.items():
        if key.startswith(prefix) and len(key) > len(prefix):
            return Target("map", name, 0, (key[len(prefix) :],))
    if key.endswith(".version") and not key.startswith(NOT_VERSIONS):
        return Target("map", "versions", 0, (key.removesuffix(".version"),))
    return UNKNOWN


class SortedAttributes(NamedTuple):
    """A span's attributes, sorted by field."""

    fields: dict[str, Json]
    """Fields that one attribute holds, or several that make a list."""
    maps: dict[str, dict[str, Json]]
    """Values under a team's own names, such as parameters, by the map they belong to."""
    unknown: dict[str, Json]
    """Attributes of no convention, under their own names."""


def sort_attributes(attributes: Mapping[str, Json]) -> SortedAttributes:
    """Sorts a span's attributes by field."""
    result = SortedAttributes({}, {}, {})
    ranks: dict[str, int] = {}
    nested: dict[str, dict[str, Json]] = {}
    fields = result.fields
    for key, value in attributes.items():
        target = FIELDS.get(key)
        if value is None:
            continue
        if target is not None:
            name = target.name
            if name in ranks:
                resolve_conflict(result, ranks, target, key, value)
            else:
                fields[name], ranks[name] = value, target.rank
        else:
            sort_attribute(result, nested, key, value)
    for name, tree in nested.items():
        fields.setdefault(name, convert_lists(tree))
    return result


def sort_attribute(
    result: SortedAttributes, nested: dict[str, dict[str, Json]], key: str, value: Json
) -> None:
    """Sorts an attribute that is no field by itself; items of lists go to `nested`."""
    target = find_target(key)
    if target.kind == "list":
        set_at_path(nested.setdefault(target.name, {}), target.path, value)
    elif target.kind == "map":
        result.maps.setdefault(target.name, {})[target.path[0]] = value
    elif target.kind == "unknown":
        result.unknown[key] = shorten_value(value)


def resolve_conflict(
    result: SortedAttributes, ranks: dict[str, int], target: Target, key: str, value: Json
) -> None:
    """Keeps the better of two attributes for a field; the other, if different, as unknown."""
    name, rank = target.name, target.rank
    previous = result.fields[name]
    same = value == previous or [value] == previous or value == [previous]
    if rank > ranks[name]:
        if not same:
            result.unknown[key] = shorten_value(value)
        return
    if not same:
        previous_key = next(k for k, (f, r) in RANKS.items() if f == name and r == ranks[name])
        result.unknown[previous_key] = shorten_value(previous)
    result.fields[name], ranks[name] = value, rank


def set_at_path(tree: dict[str, Json], path: tuple[str, ...], value: Json) -> None:
    """Sets a value at a path of names and numbers."""
    for depth, part in enumerate(path[:-1]):
        below = tree.setdefault(part, {})
        if type(below) is not dict:
            tree[".".join(path[depth:])] = value
            return
        tree = below
    tree[path[-1]] = value


def convert_lists(tree: Json) -> Json:
    """Converts objects whose keys are all numbers to lists."""
    if type(tree) is not dict:
        return tree
    if tree and all(key.isdecimal() for key in tree):
        ordered = sorted(tree, key=lambda key: (len(key), key))
        return [convert_lists(tree[key]) for key in ordered]
    return {key: convert_lists(value) for key, value in tree.items()}


def shorten_value(value: Json) -> Json:
    """Replaces inline data and vectors by placeholders."""
    if type(value) is str:
        return remove_data(value)
    if type(value) is list and len(value) > MAX_VECTOR and all(map(is_number, value)):
        return f"[vector of {len(value)} numbers]"
    return value


def is_number(value: Json) -> bool:
    """Whether a value is a number."""
    return type(value) in (int, float)
