"""Promises of blessed baselines, and of margins and targets that rows have for themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reports.decide.blessed import Blessed, allow_for_nights, find_size
from evals.reports.report import Report
from evals.specs import Dimension, Gate
from evals.statistics import Proportion
from tests.evals.reports.chat_nights import (
    APP,
    BASE,
    build_valid,
    find_result,
    make_dimension,
    make_rate,
    make_week,
)  # fmt: skip
from tests.evals.reports.night_rows import Night

KEY = ("over-refusal", "chat.over-refusal", "v1", "all")
WIDE = APP.model_copy(update={"gate": Gate(max_drop=0.2)})
QUIET = replace(BASE, app=WIDE, history=make_week(150, 50), is_third=False)
"""A night like the nights before it."""


def bless(rate: Proportion, key: tuple[str, str, str, str] = KEY) -> Blessed:
    """A blessed report with one rate."""
    first = date(2026, 9, 2)
    return Blessed(date(2026, 9, 1), "0123456789abcdef", "Ann", "release 4.2", first, {key: rate})


@given(st.integers(2, 5000), st.floats(0, 1))
def test_the_size_is_that_of_the_interval(n: int, rate: float) -> None:
    """From a rate and the width of its interval follows the size that gave the interval."""
    low, high = Proportion(rate * n, n).interval()
    assert find_size(rate, high - low) == pytest.approx(n, rel=1e-3)


@pytest.mark.parametrize(
    ("night", "rate", "verdict", "decided", "outcome"),
    [
        (QUIET, Proportion(950, 1000), "slipped", True, "regressed"),
        (QUIET, Proportion(760, 1000), "held", False, "pass"),
        (QUIET, Proportion(8, 10), "too close to call", False, "pass"),
        (replace(QUIET, history=[]), Proportion(950, 1000), "slipped", True, "regressed"),
        (replace(QUIET, history=[]), Proportion(8, 10), "too close to call", True, "inconclusive"),
        (BASE, Proportion(950, 1000), "slipped", False, "regressed"),
    ],
)
def test_a_night_is_compared_with_both(
    night: Night, rate: Proportion, verdict: str, decided: bool, outcome: str
) -> None:
    """The blessed report decides where a rate fell against it, or where it is alone."""
    body = build_valid(replace(night, blessed=bless(rate)))
    row = find_result(body, slice="all")
    assert (row["blessed"]["verdict"], row["blessed"]["decided"]) == (verdict, decided)
    assert body["gate"]["outcome"] == outcome
    assert ("against the blessed night of 1 Sep" in row["reason"]) is decided
    assert body["settings"]["blessed"] == {
        "date": "2026-09-01", "version": "0123456789abcdef", "by": "Ann", "reason": "release 4.2",
        "from": "2026-09-02",
    }  # fmt: skip
    assert Report.from_json(body).to_json() == body


def test_without_a_blessed_report_nothing_is_added() -> None:
    """Also where the blessed report was of another version of the evaluator."""
    other = bless(Proportion(950, 1000), (*KEY[:2], "v0", "all"))
    for night in (QUIET, replace(QUIET, blessed=other)):
        body = build_valid(night)
        assert "blessed" not in find_result(body, slice="all")
        assert ("blessed" in body["settings"]) is (night.blessed is not None)


def test_a_night_has_less_to_say_than_its_answers() -> None:
    """However many answers, what nights differ by themselves bounds what one of them shows."""
    assert allow_for_nights(Proportion(900_000, 1_000_000)).size < 278
    assert allow_for_nights(Proportion(9, 10)).size > 9


def make_slice(passed: int, failed: int, **changes: Any) -> dict[str, Any]:
    """A row of the slice of long questions."""
    return make_rate(passed, failed, slice="long", **changes)


@pytest.mark.parametrize(
    ("own", "rate", "verdict", "outcome"),
    [
        ({}, (20, 20), "not measured", "pass"),
        ({"long": {"target": 0.8}}, (20, 20), "slipped", "regressed"),
        ({"long": {"target": 0.3}}, (30, 10), "held", "pass"),
        ({"long": {"target": 0.75}}, (28, 12), "too close to call", "inconclusive"),
        ({"long": {"max_drop": 0.5}}, (24, 16), "held", "pass"),
        ({"short": {"target": 0.9}}, (20, 20), "not measured", "pass"),
    ],
)
def test_a_slice_decides_where_the_suite_lets_it(
    own: dict[str, Any], rate: tuple[int, int], verdict: str, outcome: str
) -> None:
    """By its target, or against its own nights before; another slice decides nothing."""
    history = make_week(150, 50) + (make_week(30, 10, slice="long") if own.get("long") else [])
    night = replace(
        QUIET,
        rates=[make_rate(150, 50), make_slice(*rate)],
        history=history,
        dimensions=make_dimension(slices=own),
    )
    body = build_valid(night)
    row = find_result(body, slice="long")
    assert (row["verdict"], body["gate"]["outcome"]) == (verdict, outcome)
    if outcome == "regressed":
        assert body["sentence"].startswith("Slipped: over-refusal on long 75% → 50%")
    if outcome == "inconclusive":
        assert "would decide" in body["gate"]["reasons"][0]


def test_a_dimension_has_a_margin_of_its_own() -> None:
    """A drop that its `max_drop` allows opens no incident, though the gate's would."""
    strict = build_valid(BASE)
    loose = build_valid(replace(BASE, dimensions=make_dimension(max_drop=0.4)))
    assert (strict["gate"]["outcome"], len(strict["incidents"]["rows"])) == ("regressed", 1)
    assert loose["incidents"]["rows"] == []
    assert loose["settings"]["dimensions"][0]["max_drop"] == 0.4


def test_one_of_many_targets_is_missed_by_chance() -> None:
    """Among forty rates at their targets, one that is missed by little has not slipped."""
    names = [f"d{i}" for i in range(40)]
    dimensions = {n: Dimension(dimension=n, question="Is it right?", target=0.9) for n in names}
    rows = [make_rate(90, 10, dimension=n, evaluator=n) for n in names]
    rows[0] = make_rate(83, 17, dimension="d0", evaluator="d0")
    night = replace(BASE, is_third=False, history=[], dimensions=dimensions)
    many = build_valid(replace(night, rates=rows))
    alone = build_valid(replace(night, rates=rows[:1], dimensions={"d0": dimensions["d0"]}))
    assert find_result(alone, dimension="d0")["high"] < 0.9
    assert find_result(alone, dimension="d0")["verdict"] == "slipped"
    assert find_result(many, dimension="d0")["verdict"] == "too close to call"
