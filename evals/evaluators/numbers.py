"""Reads the numbers a text states, in digits and in words.

What is made of them is an assertion's: see `numbers_in_source`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

from text_to_num import alpha2digit  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] # untyped

Language = Literal["en", "fr", "es", "pt", "de", "it", "nl", "da"]
"""Languages whose number words are read."""

NUMBER = re.compile(
    r"""(?<![^\W\d_])(?<!\d)                      # not inside a name: B2B
        (?:(?P<prefix>[^\W\d_]+)-)?               # top-10, mid-1990s, COVID-19
        (?P<digits>[1-9]\d{0,2}(?:[ ]\d{3})+(?![\w]|[.,]\d{3}(?!\d))(?:[.,]\d+)?
          |\d+(?:[.,'’_\u00a0\u2009\u202f]\d+)*
          |(?<![\w.])\.\d+)
        (?:(?P<ordinal>st|nd|rd|th)\b
          |(?P<decade>['’]?s)\b
          |[ \u00a0]?(?P<scale>thousand|million|billion|trillion|mn|bn|[kmb])\b)?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
RANGE = re.compile(r"[ \u00a0]?(?:[-–—/]|to|and)[ \u00a0]?")
GROUPED = re.compile(
    r"[1-9]\d{0,2}(?:(?P<mark>[.,'’_ \u00a0\u2009\u202f])\d{3})(?:(?P=mark)\d{3})*"
    r"|[1-9]\d?(?:,\d{2})+,\d{3}"  # 1,00,000
)
LIST_MARKER = re.compile(r"(?m)^[ \t>*#-]*(?P<number>\d{1,3})[.)](?=[ \t]+\S)")
CURRENCY = re.compile(
    r"\b(EUR|USD|GBP|CHF|JPY|CNY|RMB|INR|Rs|AUD|CAD|NZD|SGD|HKD|SEK|NOK|DKK|kr|PLN|CZK|HUF|RON|BGN"
    r"|TRY|RUB|UAH|ILS|AED|SAR|EGP|ZAR|NGN|KES|BRL|MXN|ARS|CLP|COP|KRW|THB|VND|IDR|MYR|PHP|PKR|BDT)"
    r"(?=\d)"
)
FOREIGN_DIGIT = re.compile(r"[^\W\x00-\x7f]")
ARABIC_MARKS = str.maketrans({"٫": ".", "٬": ",", "．": ".", "，": ","})
SEPARATED = re.compile(r"\D")
ZEROS = {
    "k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6,
    "b": 9, "bn": 9, "billion": 9, "trillion": 12,
}  # fmt: skip
DECADES = {
    "twenties": "20s", "thirties": "30s", "forties": "40s", "fifties": "50s",
    "sixties": "60s", "seventies": "70s", "eighties": "80s", "nineties": "90s",
}  # fmt: skip
DECADE = re.compile(rf"\b(?:{'|'.join(DECADES)})\b", re.IGNORECASE)
DOZEN = re.compile(r"\bdozens?\b", re.IGNORECASE)
QUALIFIERS = frozenset("after before circa early late mid non over post pre sub top under".split())  # noqa: SIM905  one line
"""Words that make no name of a number even where they begin a sentence."""
SMALL_WORDS = 20
"""Words up to this are seldom claims (`one of them`); a text that has them states them still."""


@dataclass(frozen=True)
class Number:
    """A number as a text states it."""

    text: str
    """As written."""
    digits: str
    values: frozenset[str]
    """Plain decimals it may stand for: `1.2 million` is 1.2 and 1200000."""
    scale: int = 0
    """The zeros that a word or letter behind it adds."""
    parts: tuple[str, ...] = ()
    """Of digits in groups by spaces: each group, where `room 5 100 chairs` may be two numbers."""
    is_ordinal: bool = False
    is_name: bool = False
    """Whether it belongs to a name, such as `COVID-19`."""

    def is_stated(self, stated: set[str]) -> bool:
        """Whether some plain decimals state it, as a whole or in its parts."""
        return bool(self.values & stated) or (bool(self.parts) and stated.issuperset(self.parts))


def normalize_digits(text: str) -> str:
    """Writes the decimal digits and marks of any script in ASCII; sets currency codes apart."""
    if not text.isascii():
        text = FOREIGN_DIGIT.sub(read_digit, text.translate(ARABIC_MARKS))
    return CURRENCY.sub(r"\1 ", text)


def read_digit(match: re.Match[str]) -> str:
    """Returns a decimal digit of any script in ASCII, any other character as it is."""
    value = unicodedata.decimal(match[0], None)
    return match[0] if value is None else str(value)


def drop_list_markers(text: str) -> str:
    """Removes the numbers that count a list's items: 1, or one beside another marker's.

    A line that begins with any other number and a full stop states that number.
    """
    markers = {int(match["number"]) for match in LIST_MARKER.finditer(text)}

    def drop(match: re.Match[str]) -> str:
        number = int(match["number"])
        is_marker = number <= 1 or {number - 1, number + 1} & markers
        return " " if is_marker else match[0]

    return LIST_MARKER.sub(drop, text)


def find_claims(text: str, language: Language = "en") -> list[Number]:
    """Lists the numbers a text claims: those in digits, and those in words above twenty.

    Numbers of names (`COVID-19`) are none; a word and a hyphen before one (`top-10`) make no name.
    """
    text = normalize_digits(text)
    in_digits = [number for number in find_numbers(text) if not number.is_name]
    return [*in_digits, *find_numbers_in_words(text, language, above=SMALL_WORDS)]


def find_stated_values(text: str, language: Language = "en") -> set[str]:
    """Returns every plain decimal a text states, in digits, in words, and in names."""
    text = normalize_digits(text)
    in_words = find_numbers_in_words(DOZEN.sub("twelve", text), language)
    return {
        value
        for number in (*find_numbers(text), *in_words)
        for value in (*number.values, *number.parts)
    }


def find_numbers_in_words(text: str, language: Language, above: int = -1) -> Iterator[Number]:
    """Reads the numbers a text has in words, those larger than `above`."""
    words = NUMBER.sub("¤", text).encode(errors="replace").decode()
    in_digits = cast("str", alpha2digit(words, language, above))
    return find_numbers(in_digits)


def find_numbers(text: str) -> Iterator[Number]:
    """Reads every number in a text; the two ends of a range complete each other.

    `1995-98` states 1995 and 1998; `5 to 10 million` states 5000000 and 10000000.
    """
    text = DECADE.sub(lambda match: DECADES[match[0].lower()], text)
    before: Number | None = None
    end = 0
    for match in NUMBER.finditer(text):
        number = read_number(match)
        if before and RANGE.fullmatch(text, end, match.start("digits")):
            before, number = complete_range(before, number)
        if before:
            yield before
        before, end = number, match.end()
    if before:
        yield before


def read_number(match: re.Match[str]) -> Number:
    """Reads one number from a match of `NUMBER`."""
    digits, prefix = match["digits"], match["prefix"] or ""
    values = read_digits(digits)
    if match["decade"] and len(digits) == 2 and digits.endswith("0"):
        values |= {f"19{digits}", f"20{digits}"}
    scale = ZEROS[match["scale"].lower()] if match["scale"] else 0
    if scale:
        values |= {shift_decimal(value, scale) for value in values}
    is_name = prefix != prefix.lower() and prefix.lower() not in QUALIFIERS
    groups = digits.split(" ")
    may_be_many = len(groups) > 1 and all(g.isdigit() and g[0] != "0" for g in groups)
    return Number(
        text=match[0],
        digits=digits,
        values=frozenset(values),
        scale=scale,
        parts=tuple(groups) if may_be_many else (),
        is_ordinal=match["ordinal"] is not None,
        is_name=is_name,
    )


def complete_range(first: Number, last: Number) -> tuple[Number, Number]:
    """Gives the ends of a range what the other one leaves out: a scale, or a century."""
    if last.scale and not first.scale:
        more = {shift_decimal(value, last.scale) for value in first.values}
        first = replace(first, values=first.values | more)
    if len(first.digits) == 4 and len(last.digits) == 2:
        last = replace(last, values=last.values | {first.digits[:2] + last.digits})
    return first, last


def read_digits(digits: str) -> set[str]:
    """Returns the plain decimals that digits with separators may stand for.

    `1,234.50` is 1234.5, `12,5` is 12.5, `1.234` is 1.234 or 1234, `1,00,000` and
    `100 000` are 100000, `.5` is 0.5, `1.2.3` only itself.
    """
    if digits.isdigit():
        return {format_decimal(digits)}
    if digits.startswith("."):
        return {format_decimal("0", digits[1:])}
    tail = SEPARATED.split(digits)[-1]
    head, mark = digits[: -len(tail) - 1], digits[-len(tail) - 1]
    grouped = GROUPED.fullmatch(digits)
    values = {format_decimal(re.sub(r"\D", "", digits))} if grouped else set[str]()
    whole = head if head.isdigit() else GROUPED.fullmatch(head)
    if mark in ".," and whole and not (grouped and mark == ",") and mark not in head:
        values.add(format_decimal(re.sub(r"\D", "", head), tail))
    return values or {digits}


def format_decimal(whole: str, part: str = "") -> str:
    """Writes a decimal without idle zeros."""
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def shift_decimal(value: str, zeros: int) -> str:
    """Multiplies a plain decimal by a power of ten."""
    whole, _, part = value.partition(".")
    if "." in part or not (whole + part).isdigit():
        return value
    return format_decimal(whole + part[:zeros].ljust(zeros, "0"), part[zeros:])
