"""Numbers of an output: which are in the source, in whatever format."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.records import Skip
from tests.evals.evaluators.checks import run_check

NUMBERS = [
    ("It costs $1,234.50.", "price 1234.5", {}, True, 1.0),
    ("12% of 1.2 million", "12 percent of 1,200,000", {}, True, 1.0),
    ("1.234,50 EUR", "1,234.50", {}, True, 1.0),
    ("Three or 3 items", "three items", {}, True, 1.0),
    ("COVID-19 and B2B", "a virus", {}, True, None),
    ("1. one thing\n2. another", "things", {}, True, None),
    ("1. one thing", "things", {"ignore_list_markers": False}, False, 0.0),
    ("Free for 30 days [1, 2]", "30 days", {"ignore_citations": True}, True, 1.0),
    ("Free for 30 days [1]", "30 days", {}, False, 0.5),
    ("the 1st of 5", "5 of them", {}, True, 1.0),
    ("the 1st of 5", "5 of them", {"ignore_ordinals": False}, False, 0.5),
    ("2 of 40", "40", {"ignore_up_to": 3}, True, 1.0),
    ("from 19.99 to 20", "from 19.99", {}, False, 0.5),
    ("1.25", "125", {}, False, 0.0),
    ("0.5", "500", {}, False, 0.0),
    ("magnitude-4.8", "a magnitude-4.8 earthquake", {}, True, 1.0),
    ("a 4.8 quake", "a magnitude-4.8 earthquake", {}, True, 1.0),
    ("a magnitude-5.8 quake", "a magnitude-4.8 earthquake", {}, False, 0.0),
    ("before 2010", "pre-2010 houses", {}, True, 1.0),
    ("Pre-2012 houses", "pre-2010 houses", {}, False, 0.0),
    ("the 1990s", "in the mid-1990s", {}, True, 1.0),
    ("the '90s", "in the mid-1990s", {}, True, 1.0),
    ("since 1990", "in the nineties", {}, True, 1.0),
    ("a mid-1980s car", "in the mid-1990s", {}, False, 0.0),
    ("the top 10", "a top-10 hit", {}, True, 1.0),
    ("the under-21 team", "players under 21", {}, True, 1.0),
    ("the under-23 team", "players under 21", {}, False, 0.0),
    ("30 guests", "thirty guests", {}, True, 1.0),
    ("forty guests", "thirty guests", {}, False, 0.0),
    ("Thirty-five guests", "35 guests", {}, True, 1.0),
    ("201 guests", "two hundred and one guests", {}, True, 1.0),
    ("12 eggs", "a dozen eggs", {}, True, 1.0),
    ("from 1995 to 1998", "1995-98", {}, True, 1.0),
    ("from 1995 to 1999", "1995–98", {}, False, 0.5),
    ("10-20 people", "10 to 20 people", {}, True, 1.0),
    ("10-25 people", "10 to 20 people", {}, False, 0.5),
    ("5 million", "5 to 10 million", {}, True, 1.0),
    ("COVID-19", "the 20th century", {}, True, None),
    ("30 Gäste", "dreißig Gäste", {"language": "de"}, True, 1.0),
    ("٣٤ زائر", "35 visitors", {}, False, 0.0),
    ("۳۴", "34 visitors", {}, True, 1.0),
    ("३४ लोग", "35 people", {}, False, 0.0),
    ("৩৪ জন", "35 people", {}, False, 0.0),
    ("๓๔ คน", "35 people", {}, False, 0.0),
    ("３４人", "35 people", {}, False, 0.0),
    ("١٫٥", "1.5 litres", {}, True, 1.0),
    ("EUR99", "EUR 98", {}, False, 0.0),
    ("Rs99", "Rs 99", {}, True, 1.0),
    ("model X99", "no such model", {}, True, None),
    ("the price is\n99. Buy", "it costs 98", {}, False, 0.0),
    ("99.", "it costs 98", {}, False, 0.0),
    ("3. tea\n4. milk", "tea and milk", {}, True, None),
    ("1. tea\n\n2. milk", "tea and milk", {}, True, None),
    ("1,00,000 rupees", "100000 rupees", {}, True, 1.0),
    ("100000 rupees", "1,00,000 rupees", {}, True, 1.0),
    ("10 000 people", "10000 people", {}, True, 1.0),
    ("10 people", "10 000 people", {}, False, 0.0),
    ("10\u2009000", "10,000 people", {}, True, 1.0),
    ("in 2019 100 people", "100 people in 2019", {}, True, 1.0),
    ("room 5 100 chairs", "5 rooms with 100 chairs", {}, True, 1.0),
    (".5 litres", "0.5 litres", {}, True, 1.0),
    ("0.5 litres", ".5 litres", {}, True, 1.0),
    (".6 litres", "0.5 litres", {}, False, 0.0),
]


@pytest.mark.parametrize(("output", "source", "params", "passed", "value"), NUMBERS)
def test_numbers_in_source(
    output: str, source: str, params: Any, passed: bool, value: float | None
) -> None:
    """A number passes only where the source has it, in whatever form."""
    result = run_check("numbers_in_source", output, params, context=source)
    assert (result.passed, result.value) == (passed, value)


def test_a_number_without_a_source_is_skipped() -> None:
    """With neither input nor context there is nothing to compare with."""
    assert run_check("numbers_in_source", "42") == Skip("no-source")


@given(st.integers(0, 10**12), st.integers(0, 99))
def test_a_number_is_recognised_in_every_format(whole: int, cents: int) -> None:
    """Thousands separators, either decimal mark and currency signs do not change a number."""
    english, plain = f"${whole:,}.{cents:02}", f"{whole}.{cents:02}"
    german = english.translate(str.maketrans(",.", ".,"))
    for output, source in ((english, plain), (plain, english), (german, plain)):
        assert run_check(
            "numbers_in_source", f"{output} in all", context=f"sum: {source} paid"
        ).passed
