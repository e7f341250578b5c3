"""Compares an output with another text: the numbers, the attributes and the wording.

Verdicts are made from it in `assertions` and `references`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from evals.records import Json

NUMBER = re.compile(
    r"""(?<![^\W\d_])(?<![^\W\d_]-)(?<!\d)          # not inside a name: B2B, COVID-19
        (?P<digits>\d+(?:[.,'’_\u00a0\u202f]\d+)*)
        (?:(?P<ordinal>st|nd|rd|th)\b
          |[ \u00a0]?(?P<scale>thousand|million|billion|trillion|mn|bn|[kmb])\b)?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?P<mark>[.,'’_\u00a0\u202f])\d{3})(?:(?P=mark)\d{3})*")
LIST_MARKER = re.compile(r"(?m)^[ \t>*#-]*\d{1,3}[.)](?=\s)")
ZEROS = {
    "k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6,
    "b": 9, "bn": 9, "billion": 9, "trillion": 12,
}  # fmt: skip
WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen", "twenty",
)  # fmt: skip
WORD = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)
SEPARATED = re.compile(r"\D")
SPACES = re.compile(r"\s+")


class UnreadableJson(ValueError):
    """The text is not JSON; the message says why."""


class Number(NamedTuple):
    """A number as a text states it."""

    said: str
    """As written."""
    values: frozenset[str]
    """Plain decimals it may stand for: `1.2 million` is 1.2 and 1200000."""
    ordinal: bool


class Comparison(NamedTuple):
    """The attributes of an extraction grouped by how they compare with gold."""

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    """Both have a value, and they differ."""
    missed: tuple[str, ...]
    """Gold has a value, the extraction none."""
    invented: tuple[str, ...]
    """The extraction has a value, gold none."""

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


def normalize_text(value: Json, ignore_case: bool = True) -> str:
    """Returns a value as text with normalized spaces (and case)."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    text = SPACES.sub(" ", text).strip()
    return text.casefold() if ignore_case else text


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


def numbers(text: str) -> Iterator[Number]:
    """Every number in a text, separators, currency and percent signs apart."""
    for match in NUMBER.finditer(text):
        values = readings(match["digits"])
        if match["scale"]:
            values |= {scaled(value, ZEROS[match["scale"].lower()]) for value in values}
        yield Number(match[0], frozenset(values), match["ordinal"] is not None)


def readings(digits: str) -> set[str]:
    """The plain decimals that digits with separators may stand for.

    `1,234.50` is 1234.5, `12,5` is 12.5, `1.234` is 1.234 or 1234, `1.2.3` only itself.
    """
    if digits.isdigit():
        return {plain(digits)}
    tail = SEPARATED.split(digits)[-1]
    head, mark = digits[: -len(tail) - 1], digits[-len(tail) - 1]
    grouped = GROUPED.fullmatch(digits)
    found: set[str] = {plain(re.sub(r"\D", "", digits))} if grouped else set()
    whole = head if head.isdigit() else GROUPED.fullmatch(head)
    if mark in ".," and whole and not (grouped and mark == ",") and mark not in head:
        found.add(plain(re.sub(r"\D", "", head), tail))
    return found or {digits}


def plain(whole: str, part: str = "") -> str:
    """A decimal without idle zeros."""
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def scaled(value: str, zeros: int) -> str:
    """A plain decimal times ten to a power."""
    whole, _, part = value.partition(".")
    if "." in part or not (whole + part).isdigit():
        return value
    return plain(whole + part[:zeros].ljust(zeros, "0"), part[zeros:])


def stated(text: str) -> set[str]:
    """Plain decimals a text states, in digits or in small English words."""
    found = {value for number in numbers(text) for value in number.values}
    return found | {str(WORDS.index(word.lower())) for word in WORD.findall(text)}


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
            an empty list or a missing word where the attribute has no value.
        attributes: the only ones looked at; None for every one either side has.
        missing: words that mean no value, whatever their case.
        ignore_case: whether letter case is ignored; differences in spaces always are.
    """
    gone = {normalize_text(word) for word in missing}
    groups: dict[str, list[str]] = {"right": [], "wrong": [], "missed": [], "invented": []}
    for name in sorted(set(extracted) | set(gold) if attributes is None else attributes):
        mine = values_present(extracted.get(name), gone)
        theirs = {normalize_text(v, ignore_case) for v in values_present(gold.get(name), gone)}
        if mine and theirs:
            same = all(normalize_text(value, ignore_case) in theirs for value in mine)
            groups["right" if same else "wrong"].append(name)
        elif mine or theirs:
            groups["invented" if mine else "missed"].append(name)
    return Comparison(**{key: tuple(names) for key, names in groups.items()})


def values_present(value: Json, gone: Collection[str]) -> list[Json]:
    """Returns the values of an attribute without the words for no value."""
    values = list(value) if isinstance(value, dict | list) else [value]
    return [v for v in values if v is not None and normalize_text(v) not in gone]
