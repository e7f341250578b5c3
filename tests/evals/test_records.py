"""What the one spelling of a value promises: it is the same whoever writes it."""

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
def test_a_value_is_spelled_as_python_spells_it(value: object) -> None:
    """Floats of any size, half surrogate pairs, large integers and keys that are numbers too."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert encode_canonical(value) == plain.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {"b": [float("nan")]}}])
def test_what_is_no_number_is_refused(value: object) -> None:
    """It is not written as null: nothing known is another thing."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_canonical(value)


def test_a_moment_has_no_spelling_of_its_own() -> None:
    """Whoever hashes one says how it is written."""
    from datetime import UTC, datetime

    with pytest.raises(TypeError):
        encode_canonical({"ts": datetime(2026, 10, 1, tzinfo=UTC)})
