"""Promises of features: the same text has the same ones, and a source is what a text rests on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evals.classifiers.features import (
    GROUPS,
    OFFSETS,
    WIDTH,
    Material,
    Vector,
    compute_vector,
    drop_lengths,
    read_material,
    select_groups,
)
from evals.records import Trace
from evals.specs import Reads
from evals.specs.classifiers import Feature

ALL: tuple[Feature, ...] = tuple(GROUPS)
AT = datetime(2026, 10, 1, tzinfo=UTC)
TRACE = Trace("t", AT, "a", "It costs 5 euros.", "How much?", context="The price is 7 euros.")


@pytest.mark.parametrize(
    ("reads", "material"),
    [
        (("output",), ("It costs 5 euros.", "")),
        (("input", "output"), ("It costs 5 euros.", "How much?")),
        (("context", "output"), ("It costs 5 euros.", "The price is 7 euros.")),
        (("input", "context"), ("How much?", "The price is 7 euros.")),
        (("input",), ("How much?", "")),
    ],
)
def test_the_output_is_judged_and_other_fields_are_its_source(
    reads: tuple[Reads, ...], material: tuple[str, str]
) -> None:
    """Without the output the first field is judged."""
    assert read_material(TRACE, reads) == material


@pytest.mark.parametrize("text", ["", "   ", "\ud800", "𝕏" * 9000, "a" * 5000, "1,2.3 4\n\n- 5"])
def test_any_text_has_features_inside_the_columns(text: str) -> None:
    """Empty texts, half surrogates and long words too."""
    for material in (Material(text, ""), Material("It is so.", text), Material(text, text)):
        vector = compute_vector(material, ALL)
        assert vector == compute_vector(material, ALL)
        assert all(0 <= column < WIDTH for column in vector.columns)
        assert len(set(vector.columns)) == len(vector.columns)


def test_overlap_and_numbers_compare_the_text_with_its_source() -> None:
    """A number that the source lacks is counted, and a word that it has is support."""
    source = "The lamp costs 12 euros. It weighs 3 kg."
    same, other = (
        dict(zip(*compute_vector(Material(text, source), ("overlap", "numbers")), strict=True))
        for text in ("The lamp costs 12 euros.", "My chair was sold for 99 pounds.")
    )
    words, unknown = OFFSETS["overlap"], OFFSETS["numbers"] + 2
    assert (same[words], same[unknown]) == (1.0, 0.0)
    assert (other[words], other[unknown]) == (0.0, 1.0)


def test_a_variant_has_the_columns_of_its_groups_alone() -> None:
    """Lengths alone, and everything but lengths, make the whole."""
    whole = compute_vector(Material("Two words. And more.", "words"), ALL)
    lengths, rest = select_groups(whole, ("lengths",)), drop_lengths(whole)
    assert len(lengths.columns) == 3
    assert {*lengths.columns, *rest.columns} == {*whole.columns}
    assert not {*lengths.columns} & {*rest.columns}
    assert select_groups(Vector((), ()), ALL) == ((), ())
