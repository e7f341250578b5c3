"""The counts by part of an evaluator's night."""

from __future__ import annotations

from collections import defaultdict

from evals.evaluators.comparisons import compare_attributes
from evals.runs import part_counts
from evals.statistics import ratios
from evals.statistics.ratios import PartCounts


def test_parts_that_gold_does_not_have_are_counted_together() -> None:
    """An answer may invent any number of attributes: their names are not figures of the night."""
    by_part: defaultdict[str, dict[str, PartCounts]] = defaultdict(dict)
    gold = {"brand": "Diesel", "size": None}
    for number in range(3):
        answer = {"brand": "Diesel", "size": "42", f"invented {number}": "x"}
        part_counts.add_comparison(by_part, "s", compare_attributes(answer, gold))
    merged = part_counts.merge_rare(by_part)
    assert list(merged) == ["brand", part_counts.OTHERS]
    assert merged["brand"] == {"s": PartCounts(right=3)}
    assert merged[part_counts.OTHERS] == {"s": PartCounts(invented=6)}


def test_a_single_part_keeps_its_name() -> None:
    """An abstention set may have unanswerable questions alone."""
    by_part = {"answered": {"a": PartCounts(invented=1), "b": PartCounts(absent=1)}}
    merged = part_counts.merge_rare(by_part)
    assert list(merged) == ["answered"]
    assert ratios.estimate(merged["answered"], ratios.specificity).value == 0.5
