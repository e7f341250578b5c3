"""What the one pass over a text promises: no detector whose hint stands there is left out."""

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
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_kind_whose_hint_stands_in_a_text_is_suspected(
    detector: detectors.Detector, data: st.DataObject
) -> None:
    """In any script, whatever stands around it, and also where it is written as JSON."""
    hint = data.draw(st.from_regex(detector.hint, fullmatch=True))
    text = data.draw(AROUND) + hint + data.draw(AROUND)
    assert re.search(detector.hint, text)
    try:
        text.encode()
    except UnicodeEncodeError:
        assert detectors.build_screen(EVERY).suspects(text) == EVERY
        return
    assert detector.kind in detectors.build_screen(EVERY).suspects(text)


def test_half_a_surrogate_pair_suspects_everything() -> None:
    """A text no automaton can read is left to the detectors themselves."""
    assert detectors.build_screen(("email", "jwt")).suspects("\ud800 a@example.com") == (
        "email",
        "jwt",
    )


def test_a_text_without_hints_is_suspected_of_nothing() -> None:
    """Plain prose costs one pass."""
    assert detectors.build_screen(EVERY).suspects("The parcel left this morning. " * 40) == []
