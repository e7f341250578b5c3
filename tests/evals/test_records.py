"""Promises of the canonical encoding: equal values have equal bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.records import encode_canonical

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | st.integers() | FLOATS | st.text(st.characters())
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner)
)


@given(VALUES | st.dictionaries(st.integers(), FLOATS) | st.lists(FLOATS).map(tuple))
def test_the_encoding_is_that_of_pythons_json(value: object) -> None:
    """It is so for any float, half surrogate pairs, large integers and numeric keys."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert encode_canonical(value) == plain.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {"b": [float("nan")]}}])
def test_nan_and_infinity_are_refused(value: object) -> None:
    """They are never encoded as null, which means an unknown value."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_canonical(value)


def test_a_datetime_is_refused() -> None:
    """The caller has to format a time before it is encoded."""
    from datetime import UTC, datetime

    with pytest.raises(TypeError):
        encode_canonical({"ts": datetime(2026, 10, 1, tzinfo=UTC)})
