"""The one form in which texts and values are compared.

Verdicts are made from it in `comparisons` and `checks`; what numbers a text
states is read in `numbers`.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

from evals.records import Json

SPACES = re.compile(r"\s+")
PLAIN_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
ALIKE = str.maketrans(
    {
        "\xad": None,  # soft hyphen
        "\u200b": None,  # zero-width space
        "\u200c": None,
        "\u200d": None,
        "\u2060": None,
        "\ufeff": None,
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"',
        "\u2010": "-", "\u2011": "-",
    }
)  # fmt: skip
"""Characters that are invisible, and those that are written for another one."""


def normalize_characters(text: str) -> str:
    """Returns a text with one spelling for each character (Unicode NFKC).

    Composed and decomposed letters, full-width letters, no-break spaces, curly quotes and
    no-break hyphens become alike; soft hyphens and zero-width characters go.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).translate(ALIKE)


def fold_case(text: str) -> str:
    """Returns a text without letter case, in the same form."""
    return normalize_characters(normalize_characters(text).casefold())


def normalize_text(text: str, ignore_case: bool = True) -> str:
    """Returns a text in which spellings of a character, spaces (and case) are alike."""
    text = fold_case(text) if ignore_case else normalize_characters(text)
    return SPACES.sub(" ", text).strip()


def is_number(value: Json) -> bool:
    """Whether a value is a number of JSON; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_decimal(value: Json) -> Decimal | None:
    """Reads a number of JSON, or a text that is one and nothing else; None for anything else."""
    if isinstance(value, str):
        value = normalize_text(value)
        if not PLAIN_NUMBER.fullmatch(value):
            return None
    elif not is_number(value):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def is_same_value(one: Json, other: Json, ignore_case: bool = True) -> bool:
    """Whether two values are the same: nested ones part by part, numbers by their amount.

    20.0 is 20, 1e3 is 1000, and the text `19.90` is the number 19.9; of two texts neither is
    read as a number, since `3.10` and `3.1` may be two versions.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        mine = {normalize_text(key, ignore_case): value for key, value in one.items()}
        theirs = {normalize_text(key, ignore_case): value for key, value in other.items()}
        return mine.keys() == theirs.keys() and all(
            is_same_value(value, theirs[key], ignore_case) for key, value in mine.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            is_same_value(a, b, ignore_case) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return False
    if is_number(one) or is_number(other):
        amount = read_decimal(one)
        return amount is not None and amount == read_decimal(other)
    return scalar_text(one, ignore_case) == scalar_text(other, ignore_case)


def scalar_text(value: Json, ignore_case: bool = True) -> str:
    """Returns a text, true, false or null as the text that is compared."""
    if isinstance(value, str):
        return normalize_text(value, ignore_case)
    return "null" if value is None else str(value).lower()
