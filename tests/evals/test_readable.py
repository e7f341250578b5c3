"""Promises of readable text: nothing hidden stays hidden, and no two file names become one."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.readable import make_name_readable, make_readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x9b31m\x7f", r"\u009b31m\x7f"),
        ("gpt\u202e4", r"gpt\u202e4"),
        ("\u2028\ufeff\U000e0041", r"\u2028\ufeff\U000e0041"),
        ("half \ud83d", r"half \ud83d"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
    ],
)
def test_what_is_hidden_is_spelled_out(text: str, shown: str) -> None:
    """Controls, breaks, what reorders or shows nothing, and what no UTF-8 holds are escapes."""
    assert make_readable(text) == shown


@pytest.mark.parametrize("text", ["", "a [b] \\ c", "Grüße 你好 שלום", "👩‍👩‍👧 क्‍ष"])
def test_ordinary_text_stays(text: str) -> None:
    """Letters of any script, joined emoji and brackets are as they were."""
    assert make_readable(text) == text


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_two_names_stay_two(names: list[bytes]) -> None:
    """Whatever bytes two files are named by, their readable names differ and are UTF-8."""
    one, other = (make_name_readable(os.fsdecode(name)) for name in names)
    assert one != other
    assert one.encode()


def test_a_name_that_looks_escaped_is_not_taken_for_another() -> None:
    """A byte that is not UTF-8, the character of that number, and the escape typed out differ."""
    names = [os.fsdecode(b"\x9b"), "\x9b", r"\x9b", r"\u009b"]
    assert len({make_name_readable(name) for name in names}) == len(names)
