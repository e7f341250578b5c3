"""Compares an output with another text: its attributes and its wording.

Verdicts are made from it in `checks`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from evals.evaluators.normal_form import is_number, is_same_value, normalize_text
from evals.records import Json


class UnreadableJson(ValueError):
    """The text is not JSON; the message says why."""


class Comparison(NamedTuple):
    """The attributes of an extraction grouped by how they compare with gold."""

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    """Both have a value, and they differ."""
    missed: tuple[str, ...]
    """Gold has a value, the extraction none."""
    invented: tuple[str, ...]
    """The extraction has a value, gold none."""
    absent: tuple[str, ...] = ()
    """Neither has a value."""

    def f1(self, count_invented: bool = True) -> float | None:
        """2·right / (values extracted + values in gold); None where neither has a value."""
        return micro_f1([self], count_invented)


def micro_f1(rows: Iterable[Comparison], count_invented: bool = True) -> float | None:
    """The F1 over all values of many extractions, 0 to 1; None where there are none.

    A wrong value is a false positive and a false negative. `count_invented=False` leaves out
    values of attributes gold does not have, as some published figures do.
    """
    right = values = 0
    for row in rows:
        right += len(row.right)
        values += 2 * (len(row.right) + len(row.wrong)) + len(row.missed)
        values += len(row.invented) if count_invented else 0
    return 2 * right / values if values else None


def read_json(text: str) -> Json:
    """Parses strict JSON.

    Raises:
        UnreadableJson: where it is not JSON, or nested too deep to read.
    """
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise UnreadableJson(f"{error.msg} at {place}") from error
    except RecursionError as error:
        raise UnreadableJson("nested too deep") from error
    except ValueError as error:
        raise UnreadableJson("a number no reader accepts") from error


def refuse_constant(name: str) -> Json:
    """Rejects NaN and the infinities, which are not JSON."""
    raise ValueError(name)


def compare_attributes(
    extracted: Mapping[str, Json],
    gold: Mapping[str, Json],
    attributes: Collection[str] | None = None,
    missing: Collection[str] = ("n/a", ""),
    ignore_case: bool = True,
) -> Comparison:
    """Compares each attribute's value with its gold.

    Args:
        extracted: the extraction.
        gold: per attribute one value, a list of acceptable values, or {value: count}; null,
            an empty list or a missing word where the attribute has no value. Where the extraction
            has an object, a gold object is one too and is compared part by part.
        attributes: the only ones looked at; None for every one either side has.
        missing: words that mean no value, whatever their case.
        ignore_case: whether letter case is ignored; differences in spaces and in how a character
            or a number is written always are.
    """
    gone = {normalize_text(word) for word in missing}
    groups: dict[str, list[str]] = {name: [] for name in Comparison._fields}
    for name in sorted(set(extracted) | set(gold) if attributes is None else attributes):
        mine = list_values(extracted.get(name), gone)
        theirs = list_gold_values(gold.get(name), mine, gone)
        if mine and theirs:
            same = all(
                any(is_same_value(value, right, ignore_case) for right in theirs) for value in mine
            )
            groups["right" if same else "wrong"].append(name)
        elif mine or theirs:
            groups["invented" if mine else "missed"].append(name)
        else:
            groups["absent"].append(name)
    return Comparison(**{key: tuple(names) for key, names in groups.items()})


def list_values(value: Json, gone: Collection[str]) -> list[Json]:
    """Returns the values of an attribute without the words for no value; an object is one."""
    values = value if isinstance(value, list) else [value]
    parts = (drop_missing(part, gone) for part in values)
    return [part for part in parts if part is not None]


def list_gold_values(value: Json, answered: list[Json], gone: Collection[str]) -> list[Json]:
    """Returns the values gold accepts; the answer decides whether {value: count} is an object."""
    is_object = any(isinstance(item, dict) for item in answered)
    if isinstance(value, dict) and not is_object and all(map(is_number, value.values())):
        return list_values(list(value), gone)
    return list_values(value, gone)


def drop_missing(value: Json, gone: Collection[str]) -> Json:
    """Returns a value without the parts that mean no value; None where nothing is left."""
    if isinstance(value, dict):
        present = {key: drop_missing(part, gone) for key, part in value.items()}
        return {key: part for key, part in present.items() if part is not None} or None
    if isinstance(value, str) and normalize_text(value) in gone:
        return None
    return value
