"""Reads the dates a text states, in digits and with the names of months.

What is made of them is an assertion's: see `checks.source`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from evals.evaluators.normal_form import fold_case
from evals.evaluators.numbers import normalize_digits

DateLanguage = Literal["en", "de", "fr", "es", "it", "pt", "nl", "da"]
"""Languages whose names of months are read."""

ISO = re.compile(r"(?<![\d./-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)", re.ASCII)
DIGITS = re.compile(r"(?<![\d./-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/])", re.ASCII)
MONTH_YEAR = re.compile(r"(?<![\d./-])(\d{1,2})/(\d{4})(?![\d/])", re.ASCII)
YEAR = re.compile(r"(?<!\d)(\d{4})(?!\d)", re.ASCII)


class Reading(NamedTuple):
    """A day as a text states it; None for a part that it leaves out."""

    year: int | None
    month: int
    day: int | None


class Date(NamedTuple):
    """A date in a text."""

    text: str
    """As written."""
    readings: tuple[Reading, ...]
    """What it may mean: `08/10/2026` is in August or in October."""


@functools.cache
def read_months(languages: tuple[DateLanguage, ...]) -> dict[str, int]:
    """Returns the number of each month by its name, whole or short, in lower case."""
    from babel.dates import get_month_names

    names: dict[str, int] = {}
    for language in languages:
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                months = cast("Mapping[int, str]", get_month_names(width, context, language))
                names |= {fold_case(name).rstrip("."): n for n, name in months.items()}
    if "en" in languages:
        names["sept"] = 9
    return names


@functools.cache
def compile_named(languages: tuple[DateLanguage, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compiles the patterns of dates with a month's name: day first, and month first."""
    names = sorted(read_months(languages), key=len, reverse=True)
    month = rf"(?P<month>{'|'.join(map(re.escape, names))})\b\.?"
    day = r"(?<![\d.,])(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|°)?"
    year = r"(?:(?:[ ]|,[ ]?|[ ](?:de|of|del)[ ])(?P<year>\d{4})\b)"
    first = re.compile(
        rf"{day}\.?[ -](?:(?:of|de|di)[ ])?{month}[- ]?(?:{year}|(?P<y2>\d{{4}})\b)?"
    )
    second = re.compile(rf"\b{month}(?:[ ](?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:))?{year}?")
    return first, second


def find_dates(text: str, languages: Sequence[DateLanguage] = ("en",)) -> list[Date]:
    """Lists the dates in a text, each once."""
    text = " ".join(fold_case(normalize_digits(text)).split())
    found = (*find_in_digits(text), *find_named(text, tuple(languages)))
    return list(dict.fromkeys(date for date in found if date.readings))


def find_in_digits(text: str) -> Iterator[Date]:
    """Yields the dates that are written in digits alone."""
    for match in ISO.finditer(text):
        yield build_date(match[0], (match[1], match[3], match[4]))
    for match in DIGITS.finditer(text):
        year = match[4] if len(match[4]) == 4 else f"20{match[4]}"
        first, second = match[1], match[3]
        if len(match[4]) == 4 or match[2] != ".":  # 1.2.34 is a version
            yield build_date(match[0], (year, second, first), (year, first, second))
    for match in MONTH_YEAR.finditer(text):
        yield build_date(match[0], (match[2], match[1], None))


def find_named(text: str, languages: tuple[DateLanguage, ...]) -> Iterator[Date]:
    """Yields the dates with a month's name; a month alone is none, since `may` is a word."""
    months = read_months(languages)
    first, second = compile_named(languages)
    taken: set[int] = set()
    for match in first.finditer(text):
        taken.add(match.start("month"))
        year = match["year"] or match["y2"]
        yield build_date(match[0].strip(), (year, str(months[match["month"]]), match["day"]))
    for match in second.finditer(text):
        if match.start("month") not in taken and (match["day"] or match["year"]):
            parts = (match["year"], str(months[match["month"]]), match["day"])
            yield build_date(match[0].strip(), parts)


def build_date(text: str, *readings: tuple[str | None, str, str | None]) -> Date:
    """Builds a date of its readings that exist."""
    made = (
        Reading(int(year) if year else None, int(month), int(day) if day else None)
        for year, month, day in readings
    )
    real = [one for one in made if 1 <= one.month <= 12 and (one.day is None or 0 < one.day <= 31)]
    return Date(text, tuple(dict.fromkeys(real)))


class SourceDates(NamedTuple):
    """The dates of a source, as they are looked up."""

    readings: frozenset[Reading]
    """With every part that may be left out."""
    without_year: frozenset[Reading]
    """Those that the source itself states without a year."""
    years: frozenset[int]
    """Years anywhere in the source."""

    @classmethod
    def of(cls, text: str, languages: Sequence[DateLanguage]) -> SourceDates:
        """Reads the dates of a source."""
        stated = {one for date in find_dates(text, languages) for one in date.readings}
        shorter = {one._replace(year=None) for one in stated if one.day}
        shorter |= {one._replace(day=None) for one in stated if one.year}
        years = {int(year) for year in YEAR.findall(normalize_digits(text))}
        bare = frozenset(one for one in stated if one.year is None)
        return cls(frozenset(stated | shorter), bare, frozenset(years))

    def states(self, date: Date) -> bool:
        """Whether the source states a date; a day's year may be at another place of it."""
        return any(
            one in self.readings
            or (one._replace(year=None) in self.without_year and one.year in self.years)
            for one in date.readings
        )
