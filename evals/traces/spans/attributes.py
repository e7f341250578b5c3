"""Attributes under the fields they tell, whichever conventions name them.

The conventions are tables in `genai`, `openinference` and `vendors`; what a span's fields mean
together is told in `facts`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from evals.records import Json
from evals.traces.messages import chat
from evals.traces.spans import genai, openinference, vendors

VOCABULARIES = (genai, openinference, vendors)
"""Where two attributes hold the same field, the earlier wins."""
RANKS: dict[str, tuple[str, int]] = {}
for _field in {name for words in VOCABULARIES for name in words.FIELDS}:
    _keys = [key for words in VOCABULARIES for key in words.FIELDS.get(_field, ())]
    RANKS |= {key: (_field, rank) for rank, key in enumerate(_keys)}
LISTS = {base: name for words in VOCABULARIES for base, name in words.LISTS.items()}
MAPS = {prefix: name for words in VOCABULARIES for prefix, name in words.MAPS.items()}
IGNORED = frozenset(key for words in VOCABULARIES for key in words.IGNORED)
MAX_PATH = 12
LONG = 32
"""A list of more numbers is a vector, and only its length is kept."""
NOT_VERSIONS = ("telemetry.", "process.", "os.", "host.", "otel.", "network.", "http.", "tls.")
MAX_KEY = 200


class Place(NamedTuple):
    """What an attribute's name makes of its value."""

    what: str
    """field, list, map, ignored or rest."""
    name: str = ""
    rank: int = 0
    path: tuple[str, ...] = ()


REST, IGNORE = Place("rest"), Place("ignored")
FIELDS = {key: Place("field", *known) for key, known in RANKS.items()}


def find_place(key: str) -> Place:
    """Where a value goes by its attribute's name."""
    return REST if len(key) > MAX_KEY else find_short_place(key)


@functools.lru_cache(maxsize=2**15)
def find_short_place(key: str) -> Place:
    """Where the values of a name of bounded length go, that is no field's alone."""
    if key in IGNORED:
        return IGNORE
    for base, name in LISTS.items():
        if key.startswith(base) and key[len(base) : len(base) + 1] == ".":
            path = tuple(key[len(base) + 1 :].split(".", MAX_PATH))
            if path[0].isdecimal():
                return Place("list", name, 0, path)
    for prefix, name in MAPS.items():
        if key.startswith(prefix) and len(key) > len(prefix):
            return Place("map", name, 0, (key[len(prefix) :],))
    if key.endswith(".version") and not key.startswith(NOT_VERSIONS):
        return Place("map", "versions", 0, (key.removesuffix(".version"),))
    return REST


class Sorted(NamedTuple):
    """A span's attributes, sorted by field."""

    said: dict[str, Json]
    """The fields that stand in one attribute, or in several that make a list, as found."""
    maps: dict[str, dict[str, Json]]
    """Names of a team's own, such as of parameters, by what they are names of."""
    rest: dict[str, Json]
    """Attributes nobody knows, under their own names."""


def sort_attributes(attributes: dict[str, Json]) -> Sorted:
    """Attributes in their places."""
    found = Sorted({}, {}, {})
    ranks: dict[str, int] = {}
    nested: dict[str, dict[str, Json]] = {}
    said = found.said
    for key, value in attributes.items():
        field_of = FIELDS.get(key)
        if value is None:
            continue
        if field_of is not None:
            name = field_of.name
            if name in ranks:
                keep_better(said, ranks, found.rest, field_of, key, value)
            else:
                said[name], ranks[name] = value, field_of.rank
        else:
            sort_attribute(nested, found.maps, found.rest, key, value)
    for name, tree in nested.items():
        said.setdefault(name, convert_lists(tree))
    return found


def sort_attribute(
    nested: dict[str, dict[str, Json]],
    maps: dict[str, dict[str, Json]],
    rest: dict[str, Json],
    key: str,
    value: Json,
) -> None:
    """Puts a value that is no field's alone where it goes."""
    place = find_place(key)
    if place.what == "list":
        put_at_path(nested.setdefault(place.name, {}), place.path, value)
    elif place.what == "map":
        maps.setdefault(place.name, {})[place.path[0]] = value
    elif place.what == "rest":
        rest[key] = shorten(value)


def keep_better(
    said: dict[str, Json],
    ranks: dict[str, int],
    rest: dict[str, Json],
    place: Place,
    key: str,
    value: Json,
) -> None:
    """Keeps the better of two words for a field, and where they differ the other among the rest."""
    name, rank = place.name, place.rank
    same = value == said[name] or [value] == said[name] or value == [said[name]]
    if rank > ranks[name]:
        if not same:
            rest[key] = shorten(value)
        return
    if not same:
        earlier = next(k for k, (f, r) in RANKS.items() if f == name and r == ranks[name])
        rest[earlier] = shorten(said[name])
    said[name], ranks[name] = value, rank


def put_at_path(tree: dict[str, Json], path: tuple[str, ...], value: Json) -> None:
    """Puts a value at a path of names and numbers."""
    for at, part in enumerate(path[:-1]):
        below = tree.setdefault(part, {})
        if type(below) is not dict:
            tree[".".join(path[at:])] = value
            return
        tree = below
    tree[path[-1]] = value


def convert_lists(tree: Json) -> Json:
    """The tree with lists where its keys are numbers."""
    if type(tree) is not dict:
        return tree
    if tree and all(key.isdecimal() for key in tree):
        ordered = sorted(tree, key=lambda key: (len(key), key))
        return [convert_lists(tree[key]) for key in ordered]
    return {key: convert_lists(value) for key, value in tree.items()}


def shorten(value: Json) -> Json:
    """A value fit to be kept: no inline data, no vectors."""
    if type(value) is str:
        return chat.remove_data(value)
    if type(value) is list and len(value) > LONG and all(type(x) in (int, float) for x in value):
        return f"[vector of {len(value)} numbers]"
    return value
