"""Promises of untrusted text in messages: no chat or mail acts on it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.digests.plain_text import Line, fit_lines, make_plain

ATTACKS = (
    "<!channel> <!here|x> <@U123> <https://evil.example|click>",
    "@everyone @here @channel",
    "[click](https://evil.example/a) ![x](http://evil.example/i.png)",
    "[a]: http://evil.example\n# head\n- item\n```code```",
    "*bold* _it_ ~~no~~ ||spoiler|| `code` __u__",
    "<b>h</b><img src=x onerror=alert(1)> evil.example www.evil.example",
    "\u202egnihsif \u2066hidden\u2069 \x1b[31m \x00 \ud800",
    "mailto:ann@example.com javascript:alert(1) \\u003c!channel\\u003e",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_mention_link_or_markup_remains(attack: str) -> None:
    """Text of traces has no mention, link, markup, second line or hidden character."""
    shown = make_plain(attack)
    assert not re.search(r"[<>@`*~|\\\n\x00-\x1f\u202a-\u202e\u2066-\u2069]", shown)
    assert "://" not in shown
    assert "](" not in shown
    assert not re.search(r"\w\.(com|example)", shown)
    assert not re.search(r"(^|\W)_\w|\w_(\W|$)", shown)
    shown.encode()


@given(st.text(max_size=400), st.integers(1, 120))
def test_any_text_is_one_bounded_line(text: str, most: int) -> None:
    """Whatever the text, it is one line of at most so many characters that can be encoded."""
    shown = make_plain(text, most)
    assert len(shown) <= most
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_figures_and_ids_stay_as_they_are() -> None:
    """A sentence with figures, and an ordinary id, lose nothing."""
    for text in ("Slipped: price 84% → 52% (−32 ± 20), prompt v3.", "shop-10_08:0001", "4.6 of 5"):
        assert make_plain(text) == text


def test_a_long_message_loses_its_least_important_lines() -> None:
    """Lines of the highest rank go first; the first line is cut only where it is alone."""
    lines = [Line("verdict"), Line("text" * 9, 4), Line("cause", 3), Line("owner", 1)]
    assert fit_lines(lines, 20) == "verdict\ncause\nowner"
    assert fit_lines(lines, 14) == "verdict\nowner"
    assert fit_lines(lines, 5) == "verd…"
