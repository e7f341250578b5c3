"""The mix of the traffic: what it did to a rate is no slip, and is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from evals.reports.decide.mixes import compute_offsets, measure_mix
from evals.reports.decide.rows import StratumCount
from evals.reports.decide.shifts import Cell, Values
from tests.evals.reports.chat_nights import (
    BASE,
    PROMPTS,
    TONIGHT,
    Row,
    build_valid,
    find_result,
    make_rate,
)


def make_stratum(stratum: str, passed: int, failed: int, night: date, **changes: str) -> Row:
    """A row of rpt_strata."""
    n = passed + failed
    rates = make_rate(passed, failed, date=night)
    keys = ("date", "app", "dimension", "evaluator", "evaluator_version", "passed", "failed")
    row = {"stratum": stratum, "weight": n, "weight_squares": n, "weight_passed": passed}
    return {key: rates[key] for key in keys} | row | changes


def make_night(night: date, *strata: tuple[str, int, int]) -> tuple[list[Row], Row]:
    """The rows of rpt_strata of a night, and its row of rpt_rates."""
    rows = [make_stratum(*one, night) for one in strata]
    sums = (sum(one[at] for one in strata) for at in (1, 2))
    return rows, make_rate(*sums, date=night)


EASY, HARD = "tariff=basic", "tariff=flex"


def build_shifted(hard_passed: int = 350) -> Row:
    """Ten nights of 80% easy answers, then two of 50% with another prompt."""
    nights = [
        make_night(TONIGHT - timedelta(days=day), (EASY, 760, 40), (HARD, 140, 60))
        for day in range(2, 12)
    ]
    hard = (HARD, hard_passed, 500 - hard_passed)
    nights += [make_night(TONIGHT - timedelta(days=day), (EASY, 475, 25), hard) for day in (1, 0)]
    rows = [row for strata, _ in nights for row in strata]
    rates = [rate for _, rate in nights]
    night = replace(
        BASE, rates=rates[-1:], history=rates[:-2], cause_rates=PROMPTS, strata=rows, is_third=False
    )
    return build_valid(replace(night, history=rates[:-1]))


def test_a_change_of_traffic_is_no_slip_and_blames_no_prompt() -> None:
    """90% falls to 82.5% at constant rates: it held, the mix is named, and the prompt is not."""
    body = build_shifted()
    row = find_result(body, slice="all")
    assert body["verdict"] == "held"
    assert "the traffic changed, not the answers" in body["sentence"]
    assert "tariff=flex is 50% of the answers, before" in body["sentence"]
    assert row["change"] == pytest.approx(0, abs=1e-8)
    assert row["mix"]["change"] < -0.05
    assert [one["cause"] for one in body["causes"]] == ["mix"]
    assert not body["incidents"].get("rows")


def test_a_fall_beside_a_change_of_traffic_is_found() -> None:
    """Where the hard answers fell too, that part slipped, without the part of the mix."""
    body = build_shifted(hard_passed=150)
    row = find_result(body, slice="all")
    assert body["verdict"] == "slipped"
    assert -0.2 < row["change"] < -0.05
    assert "at the same mix of traffic; the mix alone made" in row["reason"]


def cell(passed: int, n: int) -> Cell:
    """Rows of one stratum."""
    return Cell(n, n, n, passed)


def test_a_new_stratum_that_fails_is_no_matter_of_the_mix() -> None:
    """It is expected to pass as the others did: all it falls short of is a change of the rate."""
    before: Values = {EASY: cell(900, 1000), HARD: cell(90, 100)}
    after: Values = {EASY: cell(450, 500), HARD: cell(90, 100), "tariff=new": cell(40, 100)}
    shift = measure_mix(before, after, (1.0, 1.0))
    assert shift is not None
    assert shift.parts.rate == pytest.approx(-0.5 * 100 / 700, abs=1e-9)
    assert shift.parts.mix == pytest.approx(0, abs=1e-9)


def test_strata_that_are_too_small_count_as_one() -> None:
    """A stratum for each customer leaves no mix to speak of, and no figure of noise."""
    before: Values = {f"user={i}": cell(9, 10) for i in range(100)}
    after: Values = {f"user={i}": cell(4, 5) for i in range(100)}
    assert measure_mix(before, after, (1.0, 1.0)) is None


def test_offsets_of_past_nights_never_change() -> None:
    """A series is at the mix of its first week, so later nights leave earlier evidence alone."""
    nights = [TONIGHT - timedelta(days=30 - i) for i in range(30)]
    rows = [
        StratumCount("d", "e", "v", name, k, n - k, n, n, k, date=night)
        for i, night in enumerate(nights)
        for name, k, n in ((EASY, 95, 100), (HARD, 70 - i, 100 + 10 * i))
    ]
    early, late = compute_offsets(rows[:40]), compute_offsets(rows)
    assert early == {key: late[key] for key in early}
    assert late[("d", "e", "v"), nights[-1]] < -0.03


def test_a_stratum_of_a_few_nights_is_new_yet() -> None:
    """A new tariff that fails is no change of the mix on its second night either."""
    nights = [
        make_night(TONIGHT - timedelta(days=day), (EASY, 760, 40), (HARD, 180, 20))
        for day in range(2, 9)
    ]
    new = ("tariff=new", 90, 210)
    nights += [
        make_night(TONIGHT - timedelta(days=day), (EASY, 570, 30), (HARD, 90, 10), new)
        for day in (1, 0)
    ]
    rows = [row for strata, _ in nights for row in strata]
    rates = [rate for _, rate in nights]
    night = replace(BASE, rates=rates[-1:], history=rates[1:-1], strata=rows, is_third=False)
    row = find_result(build_valid(night), slice="all")
    assert row["change"] < -0.12
    assert "the traffic changed, not the answers" not in row["reason"]
