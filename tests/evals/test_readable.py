"""Promises of readable text: hidden characters are shown, and no two file names become one."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.readable import make_name_readable, make_readable, shorten_model, shorten_values


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_hidden_characters_are_escaped(text: str, expected: str) -> None:
    """Controls, line breaks, invisible and reordering characters and bad bytes are escaped."""
    assert make_readable(text) == expected


@pytest.mark.parametrize("text", ["", "a [b] \\ c", "Grüße 你好 שלום", "👩‍👩‍👧 क्‍ष"])
def test_ordinary_text_is_unchanged(text: str) -> None:
    """Letters of any script, joined emoji and brackets are not escaped."""
    assert make_readable(text) == text


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_two_names_stay_two(names: list[bytes]) -> None:
    """Whatever bytes two files are named by, their readable names differ and are UTF-8."""
    first, second = (make_name_readable(os.fsdecode(name)) for name in names)
    assert first != second
    assert first.encode()


def test_a_name_that_looks_escaped_stays_distinct() -> None:
    """A byte that is not UTF-8, the character of that number and a typed escape differ."""
    names = [os.fsdecode(b"\x9b"), "\x9b", r"\x9b", r"\u009b"]
    assert len({make_name_readable(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "llama-v3p1-8b-instruct"),
        (
            "projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-pro",
            "gemini-2.5-pro",
        ),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-v1:0",
            "anthropic.claude-sonnet-4-v1:0",
        ),
        ("vertex_ai/projects/p/locations/l/endpoints/4711", "endpoints/4711"),
        ("arn:aws:sagemaker:us-east-1:1:endpoint", "arn:aws:sagemaker:us-east-1:1:endpoint"),
        ("openai/gpt-5-2026-08-01", "openai/gpt-5-2026-08-01"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("gpt-5", "gpt-5"),
        ("", ""),
    ],
)
def test_a_provider_s_path_of_a_model_is_shortened(name: str, expected: str) -> None:
    """A vendor's prefix remains, and so does the word before a bare numeric id."""
    assert shorten_model(name) == expected


def test_two_models_of_one_short_name_are_not_shortened() -> None:
    """A change from one to the other stays visible; values of other fields are unchanged."""
    old, new = "projects/a/models/gemini", "projects/b/models/gemini"
    assert shorten_values([old, new, None, "models/x"]) == {old: old, new: new, "models/x": "x"}
    assert shorten_values([old], "prompt_version") == {old: old}
