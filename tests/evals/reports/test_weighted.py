"""Promises of unequal samples: what a report concludes holds for all traces, not for the sample.

Nights are drawn as the suite's strata draw them, with a fixed seed; rows are what the mart makes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reports.decide.measurements import Measurement, measure_night, weigh_row
from evals.reports.decide.rows import CauseRate, Rate, read_row, read_rows
from evals.reports.decide.shifts import Cell, Fields, tally_fields
from evals.reports.pages.night import render_night
from evals.reports.pooling import PooledResult, pool_reports
from evals.reports.report import load_schema
from evals.reports.sections import causes, results
from evals.specs import App, Gate
from evals.statistics import (
    Proportion,
    Weights,
    compare_rates,
    pool_proportions,
    slice_test,
    weigh_proportion,
    wilson_interval,
)
from tests.evals.reports.night_rows import Night, build, report_of
from tests.evals.reports.test_report import TONIGHT, dimension, only, rate

REPEATED = 1000
APP = App(app="chat", title="Chat", suite="chat", gate=Gate(max_drop=0.05))


class Stratum(NamedTuple):
    """A part of a night's traces."""

    traces: int
    rate: float
    inclusion: float
    slice: str = "even"


WAS = (Stratum(9000, 0.95, 0.04), Stratum(1000, 0.6, 0.04))
"""Nights before, one trace in 25 from everywhere: 91.5% pass."""
NOW = (Stratum(9000, 0.95, 0.03), Stratum(1000, 0.6, 0.3))
"""Tonight the small stratum is looked at ten times as closely."""
TRUE = 0.915


def drawn(rng: np.random.Generator, strata: Sequence[Stratum], **about: Any) -> dict[str, Any]:
    """A row of `rpt_rates` of a night so sampled, each trace a session of its own."""
    passed = failed = 0
    wp = ws = squares = passed_squares = 0.0
    for one in strata:
        n = int(rng.binomial(one.traces, one.inclusion))
        k, weight = int(rng.binomial(n, one.rate)), 1 / one.inclusion
        passed, failed = passed + k, failed + n - k
        wp, ws = wp + k * weight, ws + n * weight
        squares, passed_squares = squares + n * weight**2, passed_squares + k * weight**2
    weights: dict[str, Any] = {"scored_weight": ws, "scored_weight_squares": squares}
    if len({one.inclusion for one in strata}) > 1:
        n, share = passed + failed, wp / ws
        spread = passed_squares * (1 - 2 * share) + share**2 * squares
        weights |= {"weighted_rate": share, "weighted_variance": spread / ws**2 * n / (n - 1)}
    return rate(passed, failed, **weights, **about)


def night(rng: np.random.Generator, now: Sequence[Stratum] = NOW, nights: int = 7) -> Night:
    """Tonight, and the nights it is compared with."""
    days = [TONIGHT - timedelta(days=back) for back in range(1, nights + 1)]
    return Night(
        date=TONIGHT,
        app=APP,
        suite="chat",
        rates=[drawn(rng, now)],
        dimensions=dimension(),
        history=[drawn(rng, WAS, date=day) for day in days],
    )


def measured(night: Night) -> list[Measurement]:
    """Tonight's rates beside their baseline."""
    return list(measure_night(results.collect(night)))


def counted(row: dict[str, Any]) -> Proportion:
    """The same row as if each trace counted as one."""
    return Proportion(row["passed"], row["passed"] + row["failed"])


@pytest.mark.parametrize("worse", [0.0, 0.06])
def test_the_interval_of_a_change_covers_it(worse: float) -> None:
    """Near 95 of 100 intervals hold the true change; by raw counts hardly one does."""
    rng = np.random.default_rng(20261008)
    now = tuple(one._replace(rate=one.rate - worse) for one in NOW)
    covered = alarms = raw = 0
    for _ in range(REPEATED):
        drawn_now = night(rng, now, nights=1)
        (found,) = measured(drawn_now)
        assert found.difference
        covered += found.difference.low <= -worse <= found.difference.high
        alarms += found.difference.p < 0.05
        plain = compare_rates(counted(drawn_now.history[0]), counted(drawn_now.rates[0]))
        raw += plain.low <= -worse <= plain.high
    assert 0.93 <= covered / REPEATED <= 0.975
    assert raw / REPEATED < 0.05
    if not worse:
        assert 0.025 <= alarms / REPEATED <= 0.07


def test_a_closer_look_at_the_bad_part_alarms_nobody() -> None:
    """Nothing changed but the sample: hardly a night slips, where every one did by raw counts."""
    rng = np.random.default_rng(7)
    verdicts = [only(build(night(rng)), slice="all")["verdict"] for _ in range(200)]
    assert verdicts.count("slipped") <= 4
    assert verdicts.count("held") >= 150
    plain = replace(night(rng), rates=[rate(*passed_failed(drawn(rng, NOW)))])
    assert only(build(plain), slice="all")["verdict"] == "slipped"


def passed_failed(row: dict[str, Any]) -> tuple[int, int]:
    """A row's counts."""
    return row["passed"], row["failed"]


def test_the_detectable_effect_is_detected_as_often_as_it_promises() -> None:
    """At the report's `mde` 8 nights in 10 are significant: fewer falls, more rises, as ever."""
    rng = np.random.default_rng(11)
    found_mdes = [only(build(night(rng)), slice="all")["mde"] for _ in range(50)]
    powers = []
    for by in (-float(np.mean(found_mdes)), float(np.mean(found_mdes))):
        now = tuple(one._replace(rate=one.rate + by) for one in NOW)
        found = [measured(night(rng, now))[0].difference for _ in range(400)]
        powers.append(sum(d is not None and d.p < 0.05 and d.change * by > 0 for d in found) / 400)
    assert 0.72 <= sum(powers) / 2 <= 0.9


SLICED = (
    Stratum(4500, 0.95, 0.03, "a"),
    Stratum(4500, 0.95, 0.03, "b"),
    Stratum(500, 0.6, 0.3, "a"),
    Stratum(500, 0.6, 0.03, "b"),
)
"""Both slices pass 91.5% of their traces; the sample holds ten times as many bad ones of one."""


def test_slices_are_tested_by_what_they_say_of_all_traces() -> None:
    """Two slices alike differ as often as chance has it; by raw counts nearly always."""
    rng = np.random.default_rng(3)
    by_chance = raw = 0
    for _ in range(REPEATED):
        a, b = (tuple(one for one in SLICED if one.slice == name) for name in "ab")
        part, rest = drawn(rng, a), drawn(rng, b)
        whole = merged(part, rest)
        sides = [weigh_row(read_row(Rate, row)) for row in (part, whole)]
        by_chance += slice_test(*sides) < 0.05
        raw += slice_test(counted(part), counted(whole)) < 0.05
        complement = sides[1].subtract(sides[0])
        assert complement.rate == pytest.approx(counted(rest).rate)
    assert 0.02 <= by_chance / REPEATED <= 0.075
    assert raw / REPEATED > 0.9


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two rows of different traces as the row of both."""
    (p, f), (q, g) = passed_failed(one), passed_failed(other)
    rows = (one, other)
    ws, squares = (
        sum(row[key] for row in rows) for key in ("scored_weight", "scored_weight_squares")
    )
    wp = sum(hajek(row) * row["scored_weight"] for row in rows)
    share, n = wp / ws, p + q + f + g
    passed_squares = sum(passes_squared(row) for row in rows)
    spread = passed_squares * (1 - 2 * share) + share**2 * squares
    weights = {"scored_weight": ws, "scored_weight_squares": squares, "weighted_rate": share}
    return rate(p + q, f + g, **weights, weighted_variance=spread / ws**2 * n / (n - 1))


def hajek(row: dict[str, Any]) -> float:
    """A row's rate of all traces."""
    return row.get("weighted_rate", counted(row).rate)


def passes_squared(row: dict[str, Any]) -> float:
    """The squared weights of a row's passes, from its variance or from its one weight."""
    n, share = row["passed"] + row["failed"], hajek(row)
    if "weighted_variance" not in row:
        return row["scored_weight_squares"] * share
    spread = row["weighted_variance"] * row["scored_weight"] ** 2 * (n - 1) / n
    return (spread - share**2 * row["scored_weight_squares"]) / (1 - 2 * share)


def test_a_bad_slice_of_an_unequal_sample_is_found_and_marked() -> None:
    """The rate shown is that of all its traces, and is marked so."""
    rng = np.random.default_rng(5)
    good = drawn(rng, NOW, slice="tier=good")
    bad = drawn(rng, [Stratum(1500, 0.6, 0.05), Stratum(500, 0.4, 0.4)], slice="tier=bad")
    whole = {**merged(good, bad), "slice": "all"}
    body = build(replace(night(rng), rates=[whole, good, bad]))
    jsonschema.validate(body, load_schema())
    (found,) = body["slices"]
    assert (found["slice"], found["weighted"]) == ("tier=bad", True)
    assert found["rate"] == pytest.approx(bad["weighted_rate"])
    assert found["parent_rate"] == pytest.approx(whole["weighted_rate"])


def test_weighted_figures_say_so_everywhere() -> None:
    """In the row, its baseline, the change, the sentence and on the page."""
    rng = np.random.default_rng(1)
    worse = tuple(one._replace(rate=one.rate - 0.2) for one in NOW)
    once = night(rng, worse)
    report = report_of(replace(once, history=[drawn(rng, NOW, date=once.history[0]["date"])]))
    body = report.to_json()
    jsonschema.validate(body, load_schema())
    row = only(body, slice="all")
    assert row["rate"] == counted(once.rates[0]).rate, "what was counted stays what was counted"
    assert row["weighted"]["rate"] == row["estimate"] == pytest.approx(TRUE - 0.2, abs=0.05)
    assert row["estimator"] == "weighted"
    assert row["baseline"]["weighted"] is True
    assert row["change"] == pytest.approx(row["weighted"]["rate"] - row["baseline"]["rate"])
    (change,) = body["changes"]
    assert (change["weighted"], change["after"]) == (True, row["weighted"]["rate"])
    assert ", weighted)" in body["sentence"]
    page = render_night(report, history=[])
    assert "weighted 7" in page
    assert "points, weighted)" in page
    assert "weighted, from 9" in page
    assert "weighted: the rate of all traces" in page


def test_an_equal_sample_has_no_weights() -> None:
    """Where every trace came in alike nothing is weighted, however many traces it represents."""
    rng = np.random.default_rng(2)
    plain = night(rng, WAS)
    bare = [
        {key: value for key, value in row.items() if not key.startswith("scored_weight")}
        for row in (*plain.rates, *plain.history)
    ]
    body = build(plain)
    assert body == build(replace(plain, rates=bare[:1], history=bare[1:]))
    assert "weighted" not in str(body)
    assert "weighted" not in render_night(report_of(plain), history=[])


def test_pooled_nights_are_weighted_where_one_of_them_is() -> None:
    """The interval covers the true rate; the raw rate stays beside it."""
    rng = np.random.default_rng(4)
    first, covered = pooled_week(rng), 0
    assert first.weighted
    assert first.weighted.rate == pytest.approx(TRUE, abs=0.02)
    assert first.rate is not None
    assert first.rate < 0.85
    for _ in range(99):
        weighted = pooled_week(rng).weighted
        assert weighted
        covered += weighted.low <= TRUE <= weighted.high
    assert covered >= 90


def pooled_week(rng: np.random.Generator) -> PooledResult:
    """Seven nights pooled."""
    rows = [drawn(rng, NOW, date=date(2026, 10, day)) for day in range(1, 8)]
    (pooled,) = pool_reports(
        report_of(Night(row["date"], APP, "chat", [row], dimensions=dimension())) for row in rows
    )
    return pooled


def test_all_passing_has_kish_s_sample_size() -> None:
    """A variance of 0 is no certainty: 10 rows for 1,000 traces beside 90 for 90 are few."""
    weights = Weights(10 * 100.0 + 90, 10 * 100.0**2 + 90)
    found = weigh_proportion(1.0, 0.0, 100, weights=weights)
    assert found.size == pytest.approx(weights.kish)
    assert found.interval().low == pytest.approx(wilson_interval(weights.kish, weights.kish).low)
    assert found.interval().low < wilson_interval(100, 100).low - 0.1


def test_one_session_is_one_observation() -> None:
    """Rows of one conversation are no evidence of others, however many traces they represent."""
    assert weigh_proportion(0.5, None, 40, sessions=1).size == 1.0


def test_hajek_by_hand() -> None:
    """The vector of the dbt unit test: .333333 with variance .0779 of 4 rows is worth 1.1."""
    found = weigh_proportion(1 / 3, 0.077937347779, 4, 4, Weights(21.0, 145.0))
    assert found.rate == pytest.approx(1 / 3)
    assert found.size == pytest.approx(1.0815, abs=1e-3)


@given(st.integers(1, 99), st.integers(100, 400), st.floats(0.01, 1.0))
def test_equal_weights_are_worth_what_rows_are(passed: int, n: int, inclusion: float) -> None:
    """The weighted interval of an equal sample is the plain one, but for t in place of z."""
    share, weight = passed / n, 1 / inclusion
    squares = n * weight**2
    spread = passed * weight**2 * (1 - 2 * share) + share**2 * squares
    variance = spread / (n * weight) ** 2 * n / (n - 1)
    found = weigh_proportion(share, variance, n, n, Weights(n * weight, squares))
    assert 0.96 * n <= found.size <= n
    assert found.weights is not None
    assert math.isclose(found.weights.kish, n, rel_tol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=5))
def test_independent_samples_together_are_as_large_as_all(parts: list[tuple[int, int]]) -> None:
    """Without a design effect effective sizes add up, and so do passes."""
    sides = [Proportion(min(k, n), n) for k, n in parts]
    found = pool_proportions(sides)
    assert found.n == sum(side.n for side in sides)
    assert found.size == pytest.approx(found.n)
    assert found.passed == pytest.approx(sum(side.passed for side in sides))


def weighing(value: str, passed: int, failed: int, inclusion: float) -> dict[str, Any]:
    """A row of `rpt_cause_rates` whose rows came in with one probability."""
    weight = 1 / inclusion
    return {
        "dimension": "d",
        "evaluator": "e",
        "field": "model",
        "value": value,
        "passed": passed,
        "failed": failed,
        "weight": (passed + failed) * weight,
        "weight_squares": (passed + failed) * weight**2,
        "weight_passed": passed * weight,
    }


def sided(rows: Sequence[dict[str, Any]]) -> Fields:
    """The fields of one side."""
    return tally_fields(read_rows(CauseRate, rows), ())


ROW = {"dimension": "d", "evaluator": "e", "evaluator_version": "v", "kind": "judge"}
COUNTS = {"n": 1, "passed": 1, "failed": 0, "errored": 0, "skipped": 0}
FALLEN = replace(
    report_of(Night(TONIGHT, APP, "chat", [ROW | COUNTS | {"slice": "all"}]))[results.SECTION][0],
    change=-0.1,
)


def test_a_cause_is_what_changed_among_all_traces_and_not_in_the_sample() -> None:
    """A model looked at ten times as closely as before has not gained a share."""
    before = sided([weighing("a", 90, 10, 0.1), weighing("b", 8, 2, 0.1)])
    closely = sided([weighing("a", 90, 10, 0.1), weighing("b", 80, 20, 1.0)])
    (unknown,) = causes.explain_change(FALLEN, before, closely)
    assert unknown.cause == "unknown"
    raw = [weighing("a", 90, 10, 1.0), weighing("b", 80, 20, 1.0)]
    (found,) = causes.explain_change(FALLEN, before, sided(raw))
    assert found.cause == "model"
    assert [(one.value, one.share) for one in found.after] == [("a", 0.5), ("b", 0.5)]


def test_the_rates_beside_a_cause_are_those_of_all_traces() -> None:
    """Two halves of a new value, one of them seen ten times as closely."""
    before = sided([weighing("a", 80, 20, 1.0)])
    rows = [weighing("b", 90, 10, 1.0), weighing("b", 5, 5, 0.1)]
    (found,) = causes.explain_change(FALLEN, before, sided(rows))
    assert "70% (n 110) under the new" in found.words


def test_a_mart_older_than_the_weights_counts_each_row_once() -> None:
    """A report over nights published before has the figures it had."""
    old = weighing("a", 3, 1, 1.0)
    old = {key: value for key, value in old.items() if not key.startswith("weight")}
    assert sided([old])["model"]["a"] == Cell(4, 4, 4, 3)
