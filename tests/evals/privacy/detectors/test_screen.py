"""Screening a text in one pass misses no detector whose hint matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.privacy import detectors

HINTED = [d for d in detectors.DETECTORS.values() if isinstance(d, detectors.Detector)]
EVERY = tuple(detectors.DETECTORS)
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@pytest.mark.parametrize("detector", HINTED, ids=lambda d: d.kind)
@settings(max_examples=60)
@given(st.data())
def test_a_kind_whose_hint_is_in_a_text_is_matched(
    detector: detectors.Detector, data: st.DataObject
) -> None:
    """In any script and whatever surrounds it."""
    hint = data.draw(st.from_regex(detector.hint, fullmatch=True))
    text = data.draw(AROUND) + hint + data.draw(AROUND)
    assert re.search(detector.hint, text)
    try:
        text.encode()
    except UnicodeEncodeError:
        assert detectors.build_screen(EVERY).match_kinds(text) == EVERY
        return
    assert detector.kind in detectors.build_screen(EVERY).match_kinds(text)


def test_a_lone_surrogate_matches_every_kind() -> None:
    """A text the automaton cannot read is left to the detectors."""
    assert detectors.build_screen(("email", "jwt")).match_kinds("\ud800 a@example.com") == (
        "email",
        "jwt",
    )


def test_a_text_without_hints_matches_no_kind() -> None:
    """Plain prose costs one pass."""
    assert detectors.build_screen(EVERY).match_kinds("The parcel left this morning. " * 40) == []
