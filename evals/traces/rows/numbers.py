"""Reads numbers written as text, with decimal commas and separators of thousands.

Which field is a number is decided in `fields`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

from evals.records import Json

Mark = Literal[",", "."]
NUMBER = re.compile(r"[+-]?(?:\d[\d.,'’  \u00a0\u202f]*|[.,]\d+)(?:[eE][+-]?\d+)?")
PLAIN = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
"""Most numbers of a file: where no decimal comma is declared, they have one reading."""
SPACES = re.compile("['’ \u00a0\u202f](?=\\d{3})")
"""Separators of thousands that are no decimal mark."""
LONGEST = 60
GROUPS = re.compile(r"\d{1,3}([.,])\d{3}(?:\1\d{3})*")
"""Thousands, if the mark separates them; a single group may be decimals as well."""


def read_number(text: str, decimal: Mark | None = None) -> int | float | None:
    """Reads a number; None where the text is none, or could be one of two.

    Args:
        text: the number as it was written.
        decimal: the decimal mark, if it is known; the other mark then separates thousands.
            Without it a number with both marks, or with one that cannot separate thousands, is
            read by itself; `1.234` is read as JSON does, and `1,234` may be either: None.
    """
    text = text.strip()
    if len(text) <= LONGEST and decimal != "," and PLAIN.fullmatch(text):
        return float(text) if "." in text else int(text)
    if len(text) > LONGEST or not NUMBER.fullmatch(text):
        return None
    sign = "-" if text.startswith("-") else ""
    text = SPACES.sub("", text.lstrip("+-"))
    digits, e, exponent = text.partition("e" if "e" in text else "E")
    mark = decimal or find_mark(digits)
    if mark is None:
        return None
    other = "." if mark == "," else ","
    whole, _, fraction = digits.partition(mark)
    if other in fraction or mark in fraction or not is_grouped(whole, other):
        return None
    plain = f"{sign}{whole.replace(other, '')}.{fraction}{e}{exponent}"
    return to_number(plain, is_whole=not fraction and not e)


def to_number(text: str, *, is_whole: bool) -> int | float | None:
    """Returns the number of a plain text; None where there is none or it is not finite."""
    try:
        if is_whole:
            return int(text.removesuffix("."))
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def find_mark(digits: str) -> Mark | None:
    """Finds the decimal mark of a number by itself; None where it has two readings or none."""
    last: Mark = "," if digits.rfind(",") > digits.rfind(".") else "."
    other: Mark = "." if last == "," else ","
    if digits.count(last) > 1:  # it separates thousands
        return other if other not in digits else None
    if last == "," and other not in digits and GROUPS.fullmatch(digits) and digits[0] != "0":
        return None
    return last


def is_grouped(whole: str, separator: str) -> bool:
    """Whether the whole part of a number has either no separator or one before every 3 digits."""
    if separator not in whole:
        return whole.isdecimal() or not whole
    first, *groups = whole.split(separator)
    return 0 < len(first) <= 3 and all(len(group) == 3 for group in groups)


def find_decimal_comma(cells: Iterable[Json]) -> Mark | None:
    """Finds whether a file writes decimal commas, by the numbers among some of its cells.

    None where no number shows it, or where others have a decimal point.
    """
    marks: set[Mark] = set()
    for cell in cells:
        if type(cell) is str and len(cell) <= LONGEST and NUMBER.fullmatch(cell.strip()):
            digits = SPACES.sub("", cell.strip().lstrip("+-"))
            is_telling = not GROUPS.fullmatch(digits) or digits.startswith("0,")
            is_marked = "," in digits or "." in digits
            if is_marked and (is_telling or digits.count(".") > 1) and read_number(cell):
                marks |= {mark} if (mark := find_mark(digits)) else set()
    return "," if marks == {","} else None
