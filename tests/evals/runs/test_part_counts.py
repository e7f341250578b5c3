"""The counts by part of an evaluator's night."""

from __future__ import annotations

import pytest

from evals.evaluators.comparisons import Comparison, compare_attributes
from evals.runs.part_counts import OTHERS, Compared, Counted, count_parts, merge_rare
from evals.statistics import ratios
from evals.statistics.ratios import PartCounts


def test_parts_that_gold_does_not_have_are_counted_together() -> None:
    """An answer may invent any number of attributes: their names are not figures of the night."""
    gold = {"brand": "Diesel", "size": None}
    answers = [{"brand": "Diesel", "size": "42", f"invented {n}": "x"} for n in range(3)]
    compared = [Compared("s", compare_attributes(answer, gold), 1.0) for answer in answers]
    merged = merge_rare(count_parts(compared))
    assert list(merged) == ["brand", OTHERS]
    assert merged["brand"].counts == {"s": PartCounts(right=3)}
    assert merged[OTHERS].counts == {"s": PartCounts(invented=6)}


def test_a_single_part_keeps_its_name() -> None:
    """An abstention set may have unanswerable questions alone."""
    counts = {"a": PartCounts(invented=1), "b": PartCounts(absent=1)}
    merged = merge_rare({"answered": Counted(counts, counts)})
    assert list(merged) == ["answered"]
    assert ratios.estimate(merged["answered"].counts, ratios.specificity).value == 0.5


def test_an_answer_counts_for_those_it_represents() -> None:
    """Figures are those of all answers where some strata are sampled more; counts stay counts."""
    right, wrong = Comparison(("price",), (), (), ()), Comparison((), ("price",), (), ())
    compared = [Compared(f"r{n}", right, 9.0) for n in range(20)]
    compared += [Compared(f"w{n}", wrong, 1.0) for n in range(20)]
    part = count_parts(compared)["price"]
    assert ratios.sum_counts(part.counts) == PartCounts(right=20, wrong=20)
    weighted = ratios.estimate_mean([part.weighted], ratios.recall, counted_parts=[part.counts])
    plain = ratios.estimate(part.counts, ratios.recall)
    assert weighted.value == pytest.approx(0.9)
    assert plain.value == pytest.approx(0.5)
    assert weighted.low is not None
    assert weighted.low > 0.7
