"""Promises of unequal samples: a report's conclusions are about all traces, not the sample.

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

from evals.reports.decide.measurements import Measurement, measure_night
from evals.reports.decide.rows import CauseRate, read_rows
from evals.reports.decide.shifts import Cell, Fields, tally_fields
from evals.reports.decide.version_effects import Sides
from evals.reports.pages.night import render_night
from evals.reports.pooling import PooledResult, pool_reports
from evals.reports.report import load_schema
from evals.reports.sections import causes, results
from evals.reports.sections.incidents import collect_evidence
from evals.specs import App, Gate
from evals.statistics import (
    Proportion,
    Weights,
    compare_rates,
    pool_proportions,
    weigh_proportion,
    wilson_interval,
)
from tests.evals.reports.chat_nights import TONIGHT, find_result, make_dimension, make_rate
from tests.evals.reports.night_rows import Night, build, report_of

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
"""Tonight the small stratum is sampled ten times as densely."""
TRUE = 0.915


def draw_row(rng: np.random.Generator, strata: Sequence[Stratum], **about: Any) -> dict[str, Any]:
    """Draws a row of `rpt_rates` of a night so sampled, each trace its own session."""
    passed = failed = 0
    wp = ws = squares = passed_squares = 0.0
    for stratum in strata:
        n = int(rng.binomial(stratum.traces, stratum.inclusion))
        k, weight = int(rng.binomial(n, stratum.rate)), 1 / stratum.inclusion
        passed, failed = passed + k, failed + n - k
        wp, ws = wp + k * weight, ws + n * weight
        squares, passed_squares = squares + n * weight**2, passed_squares + k * weight**2
    weights: dict[str, Any] = {"scored_weight": ws, "scored_weight_squares": squares}
    if len({stratum.inclusion for stratum in strata}) > 1:
        n, share = passed + failed, wp / ws
        spread = passed_squares * (1 - 2 * share) + share**2 * squares
        weights |= {"weighted_rate": share, "weighted_variance": spread / ws**2 * n / (n - 1)}
    return make_rate(passed, failed, **weights, **about)


def draw_night(rng: np.random.Generator, now: Sequence[Stratum] = NOW, nights: int = 7) -> Night:
    """Draws tonight and the nights it is compared with."""
    days = [TONIGHT - timedelta(days=back) for back in range(1, nights + 1)]
    return Night(
        date=TONIGHT,
        app=APP,
        suite="chat",
        rates=[draw_row(rng, now)],
        dimensions=make_dimension(),
        history=[draw_row(rng, WAS, date=day) for day in days],
    )


def measure(night: Night) -> list[Measurement]:
    """Measures tonight's rates beside their baseline."""
    return list(measure_night(collect_evidence(night)))


def count_equally(row: dict[str, Any]) -> Proportion:
    """Counts the same row as if each trace had the weight one."""
    return Proportion(row["passed"], row["passed"] + row["failed"])


@pytest.mark.parametrize("worse", [0.0, 0.06])
def test_the_interval_of_a_change_covers_it(worse: float) -> None:
    """At least 95 of 100 intervals contain the true change; by raw counts hardly one does.

    Kish's size does not know that strata make an estimate better: then some more of them do.
    """
    rng = np.random.default_rng(20261008)
    now = tuple(stratum._replace(rate=stratum.rate - worse) for stratum in NOW)
    covered = alarms = raw = 0
    for _ in range(REPEATED):
        sampled = draw_night(rng, now, nights=1)
        (result,) = measure(sampled)
        assert result.difference
        covered += result.difference.low <= -worse <= result.difference.high
        alarms += result.difference.p < 0.05
        plain = compare_rates(count_equally(sampled.history[0]), count_equally(sampled.rates[0]))
        raw += plain.low <= -worse <= plain.high
    assert 0.93 <= covered / REPEATED <= 0.99
    assert raw / REPEATED < 0.05
    if not worse:
        assert 0.01 <= alarms / REPEATED <= 0.07


def test_a_denser_sample_of_the_bad_part_raises_no_alarm() -> None:
    """Where only the sample changed hardly a night slips, and every one does by raw counts."""
    rng = np.random.default_rng(7)
    verdicts = [find_result(build(draw_night(rng)), slice="all")["verdict"] for _ in range(200)]
    assert verdicts.count("slipped") <= 4
    assert verdicts.count("held") >= 150
    plain = replace(draw_night(rng), rates=[make_rate(*list_counts(draw_row(rng, NOW)))])
    assert find_result(build(plain), slice="all")["reason"].endswith("can open an incident")


def list_counts(row: dict[str, Any]) -> tuple[int, int]:
    """Lists a row's counts."""
    return row["passed"], row["failed"]


def test_the_detectable_effect_is_detected_with_its_power() -> None:
    """At the report's `mde` about 8 nights in 10 are significant."""
    rng = np.random.default_rng(11)
    effects = [find_result(build(draw_night(rng)), slice="all")["mde"] for _ in range(50)]
    powers = []
    for by in (-float(np.mean(effects)), float(np.mean(effects))):
        now = tuple(stratum._replace(rate=stratum.rate + by) for stratum in NOW)
        result = [measure(draw_night(rng, now))[0].difference for _ in range(400)]
        powers.append(sum(d is not None and d.p < 0.05 and d.change * by > 0 for d in result) / 400)
    assert 0.72 <= sum(powers) / 2 <= 0.9


def merge_rows(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Merges two rows of different traces into the row of both."""
    (p, f), (q, g) = list_counts(first), list_counts(second)
    rows = (first, second)
    ws, squares = (
        sum(row[key] for row in rows) for key in ("scored_weight", "scored_weight_squares")
    )
    wp = sum(compute_rate(row) * row["scored_weight"] for row in rows)
    share, n = wp / ws, p + q + f + g
    passed_squares = sum(sum_squared_passes(row) for row in rows)
    spread = passed_squares * (1 - 2 * share) + share**2 * squares
    weights = {"scored_weight": ws, "scored_weight_squares": squares, "weighted_rate": share}
    return make_rate(p + q, f + g, **weights, weighted_variance=spread / ws**2 * n / (n - 1))


def compute_rate(row: dict[str, Any]) -> float:
    """Computes a row's rate of all traces."""
    return row.get("weighted_rate", count_equally(row).rate)


def sum_squared_passes(row: dict[str, Any]) -> float:
    """Sums the squared weights of a row's passes, from its variance or its single weight."""
    n, share = row["passed"] + row["failed"], compute_rate(row)
    if "weighted_variance" not in row:
        return row["scored_weight_squares"] * share
    spread = row["weighted_variance"] * row["scored_weight"] ** 2 * (n - 1) / n
    return (spread - share**2 * row["scored_weight_squares"]) / (1 - 2 * share)


def test_weighted_figures_are_marked_everywhere() -> None:
    """The row, its baseline, the change, the sentence and the page have the mark."""
    rng = np.random.default_rng(1)
    worse = tuple(stratum._replace(rate=stratum.rate - 0.2) for stratum in NOW)
    once = draw_night(rng, worse)
    report = report_of(replace(once, history=[draw_row(rng, NOW, date=once.history[0]["date"])]))
    body = report.to_json()
    jsonschema.validate(body, load_schema())
    row = find_result(body, slice="all")
    assert row["rate"] == count_equally(once.rates[0]).rate, "counts are not weighted"
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
    """Where every trace had the same inclusion nothing is weighted."""
    rng = np.random.default_rng(2)
    plain = draw_night(rng, WAS)
    bare = [
        {key: value for key, value in row.items() if not key.startswith("scored_weight")}
        for row in (*plain.rates, *plain.history)
    ]
    body = build(plain)
    assert body == build(replace(plain, rates=bare[:1], history=bare[1:]))
    assert "weighted" not in str(body)
    assert "weighted" not in render_night(report_of(plain), history=[])


def test_pooled_nights_are_weighted_where_one_of_them_is() -> None:
    """The interval covers the true rate, and the raw rate remains beside it."""
    rng = np.random.default_rng(4)
    first, covered = pool_week(rng), 0
    assert first.weighted
    assert first.weighted.rate == pytest.approx(TRUE, abs=0.02)
    assert first.rate is not None
    assert first.rate < 0.85
    for _ in range(99):
        weighted = pool_week(rng).weighted
        assert weighted
        covered += weighted.low <= TRUE <= weighted.high
    assert covered >= 90


def pool_week(rng: np.random.Generator) -> PooledResult:
    """Pools seven nights."""
    rows = [draw_row(rng, NOW, date=date(2026, 10, day)) for day in range(1, 8)]
    (pooled,) = pool_reports(
        report_of(Night(row["date"], APP, "chat", [row], dimensions=make_dimension()))
        for row in rows
    )
    return pooled


def test_all_passing_has_kish_s_sample_size() -> None:
    """A variance of 0 is no certainty where 10 of 100 rows have a weight of 100."""
    weights = Weights(10 * 100.0 + 90, 10 * 100.0**2 + 90)
    result = weigh_proportion(1.0, 0.0, 100, weights=weights)
    assert result.size == pytest.approx(weights.kish)
    assert result.interval().low == pytest.approx(wilson_interval(weights.kish, weights.kish).low)
    assert result.interval().low < wilson_interval(100, 100).low - 0.1


def test_one_session_is_one_observation() -> None:
    """Rows of one conversation count as one, however many traces they represent."""
    assert weigh_proportion(0.5, None, 40, sessions=1).size == 1.0


def test_hajek_by_hand() -> None:
    """As in the dbt unit test, .333333 with variance .0779 of 4 rows has a size of 1.1."""
    result = weigh_proportion(1 / 3, 0.077937347779, 4, 4, Weights(21.0, 145.0))
    assert result.rate == pytest.approx(1 / 3)
    assert result.size == pytest.approx(1.0815, abs=1e-3)


@given(st.integers(1, 99), st.integers(100, 400), st.floats(0.01, 1.0))
def test_equal_weights_have_the_size_of_their_rows(passed: int, n: int, inclusion: float) -> None:
    """The weighted interval of an equal sample is the plain one, but for t in place of z."""
    share, weight = passed / n, 1 / inclusion
    squares = n * weight**2
    spread = passed * weight**2 * (1 - 2 * share) + share**2 * squares
    variance = spread / (n * weight) ** 2 * n / (n - 1)
    result = weigh_proportion(share, variance, n, n, Weights(n * weight, squares))
    assert 0.96 * n <= result.size <= n
    assert result.weights is not None
    assert math.isclose(result.weights.kish, n, rel_tol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=5))
def test_independent_samples_together_are_as_large_as_all(parts: list[tuple[int, int]]) -> None:
    """Of nights with one rate effective sizes add up, and so do passes."""
    sides = [Proportion(n / 2, n) for _, n in parts]
    result = pool_proportions(sides)
    assert result.n == sum(side.n for side in sides)
    assert result.size == pytest.approx(result.n)
    assert result.passed == pytest.approx(sum(side.passed for side in sides))


def build_cause_row(value: str, passed: int, failed: int, inclusion: float) -> dict[str, Any]:
    """Builds a row of `rpt_cause_rates` with one inclusion probability."""
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


def tally_side(rows: Sequence[dict[str, Any]]) -> Fields:
    """Tallies the fields of one side."""
    return tally_fields(read_rows(CauseRate, rows), ())


ROW = {"dimension": "d", "evaluator": "e", "evaluator_version": "v", "kind": "judge"}
COUNTS = {"n": 1, "passed": 1, "failed": 0, "errored": 0, "skipped": 0}
FALLEN = replace(
    report_of(Night(TONIGHT, APP, "chat", [ROW | COUNTS | {"slice": "all"}]))[results.SECTION][0],
    change=-0.1,
)


NO_STRATA = Sides((), (), (), 1.0)


def test_a_cause_is_a_change_of_all_traces_and_not_of_the_sample() -> None:
    """A model that is sampled ten times as densely has not gained a share."""
    before = tally_side([build_cause_row("a", 90, 10, 0.1), build_cause_row("b", 8, 2, 0.1)])
    closely = tally_side([build_cause_row("a", 90, 10, 0.1), build_cause_row("b", 80, 20, 1.0)])
    (unknown,) = causes.explain_change(FALLEN, before, closely, NO_STRATA)
    assert unknown.cause == "unknown"
    raw = [build_cause_row("a", 90, 10, 1.0), build_cause_row("b", 80, 20, 1.0)]
    (result,) = causes.explain_change(FALLEN, before, tally_side(raw), NO_STRATA)
    assert result.cause == "model"
    assert [(value.value, value.share) for value in result.after] == [("a", 0.5), ("b", 0.5)]


def test_the_rates_beside_a_cause_are_those_of_all_traces() -> None:
    """They are so where half of a new value is sampled ten times as densely."""
    before = tally_side([build_cause_row("a", 80, 20, 1.0)])
    rows = [build_cause_row("b", 90, 10, 1.0), build_cause_row("b", 5, 5, 0.1)]
    (result,) = causes.explain_change(FALLEN, before, tally_side(rows), NO_STRATA)
    assert "70% (n 110) under the new" in result.words


def test_a_mart_without_weights_counts_each_row_once() -> None:
    """Figures of nights that were published before the weights do not change."""
    old = build_cause_row("a", 3, 1, 1.0)
    old = {key: value for key, value in old.items() if not key.startswith("weight")}
    assert tally_side([old])["model"]["a"] == Cell(4, 4, 4, 3)
