"""Promises of the statistics: they match published figures and statsmodels."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
)

from evals.statistics import (
    Agreement,
    Proportion,
    Strata,
    Stratum,
    benjamini_hochberg,
    compare_rates,
    effective_n,
    fisher_p,
    holm,
    mcnemar,
    mde,
    measure_sides,
    needed_n,
    pool_proportions,
    post_stratify,
    rogan_gladen,
    standard_errors,
    t_quantile,
    transport_estimate,
    wilson_interval,
)

S = [1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1]
CLUSTERS = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4]
JUDGED = Proportion(1610, 5000)
LABELS = Agreement(tp=20, fn=4, fp=44, tn=132)


def sum_squares(scores: list[int], clusters: list[int]) -> float:
    """Sums the squared session totals of these rows, as the marts' `session_ss` does."""
    rate = sum(scores) / len(scores)
    sums = dict.fromkeys(clusters, 0.0)
    for score, cluster in zip(scores, clusters, strict=True):
        sums[cluster] += score - rate
    return math.fsum(total**2 for total in sums.values())


counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
ps = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("passed", "n", "low", "high"),
    [(3, 20, 0.052369, 0.360419), (0, 20, 0, 0.161125), (12, 100, 0.069994, 0.198121)],
)
def test_wilson_vectors(passed: int, n: int, low: float, high: float) -> None:
    """Wilson's interval gives the published figures."""
    assert wilson_interval(passed, n) == pytest.approx((low, high), abs=1e-6)


@given(counts, st.sampled_from([0.01, 0.05, 0.2]))
def test_wilson_is_statsmodels(count: tuple[int, int], alpha: float) -> None:
    """Wilson's interval is that of statsmodels, contains the rate, and stays within [0, 1]."""
    low, high = wilson_interval(*count, alpha)
    assert (low, high) == pytest.approx(proportion_confint(*count, alpha, "wilson"), abs=1e-9)
    assert 0 <= low <= count[0] / count[1] <= high <= 1


@given(counts, st.integers(2, 20))
def test_more_rows_narrow_the_interval(count: tuple[int, int], times: int) -> None:
    """The same rate on more rows has a narrower interval."""
    few, many = wilson_interval(*count), wilson_interval(count[0] * times, count[1] * times)
    assert many.high - many.low < few.high - few.low


def test_clustered_error_vectors() -> None:
    """The CLT and CR1 errors come from counts and one sum of squares."""
    errors = standard_errors(sum(S), len(S), 5, sum_squares(S, CLUSTERS))
    assert errors == pytest.approx((0.1421338, 0.0621130), abs=1e-7)


def test_few_clusters_never_narrow_an_interval() -> None:
    """A clustered error below the CLT's does not shrink the interval."""
    size = effective_n(sum(S), len(S), 5, sum_squares(S, CLUSTERS), session_squares=34)
    assert size < len(S)


@pytest.mark.parametrize(
    ("sessions", "interval"),
    [([10] * 18 + [9, 8], (0.935509, 0.996647)), ([10] * 20, (0.960046, 1))],
)
def test_session_vectors(sessions: list[int], interval: tuple[float, float]) -> None:
    """Twenty sessions of ten have the published intervals, even where every row passes."""
    passed = sum(sessions)
    ss = math.fsum((k - passed / 20) ** 2 for k in sessions)
    for squares in (2000.0, None):
        size = effective_n(passed, 200, 20, ss, squares)
        assert wilson_interval(passed / 200 * size, size) == pytest.approx(interval, abs=1e-6)


def test_a_long_session_counts_for_less_than_equal_ones() -> None:
    """The same counts in sessions of unequal length are worth fewer independent rows."""
    equal, unequal = (effective_n(180, 200, 20, 18.0, squares) for squares in (2000.0, 9000.0))
    assert unequal < equal / 2


def test_rows_of_one_conversation_count_for_less() -> None:
    """Conversations that pass or fail as a whole count for fewer rows than they have."""
    scores = [1] * 10 + [0] * 10 + [1] * 10 + [0] * 10
    clusters = [i // 5 for i in range(40)]
    size = effective_n(20, 40, 8, sum_squares(scores, clusters))
    assert 1 <= size < 8
    wide, narrow = Proportion(20, 40, size).interval(), Proportion(20, 40).interval()
    assert wide.low < narrow.low
    assert wide.high > narrow.high


def test_single_turn_rows_keep_their_size() -> None:
    """Where every row is its own conversation the size is the number of rows."""
    assert effective_n(sum(S), 12, 12, sum_squares(S, list(range(12)))) == 12
    assert effective_n(7, 12, 1, 0.0) == 1


@pytest.mark.parametrize(
    ("df", "quantile"), [(1, 12.706205), (2, 4.302653), (4, 2.776445), (30, 2.042272)]
)
def test_t_quantile_vectors(df: int, quantile: float) -> None:
    """Student's quantiles are those of the tables."""
    assert t_quantile(df) == pytest.approx(quantile, abs=1e-6)


def test_t_quantile_tends_to_the_normal() -> None:
    """Across the switch of method the quantile falls without a step, towards the normal's."""
    values = [t_quantile(df) for df in range(1, 400)]
    assert all(a > b for a, b in pairwise(values))
    assert values[-1] > NormalDist().inv_cdf(0.975)
    assert t_quantile(200) - t_quantile(201) < 1e-4


@given(counts, counts)
def test_difference_is_newcombe(before: tuple[int, int], after: tuple[int, int]) -> None:
    """The interval of a change is statsmodels' Newcombe; where few are expected it may reach 0."""
    d = compare_rates(Proportion(*before), Proportion(*after))
    low, high = confint_proportions_2indep(*after, *before, compare="diff", method="newcomb")
    assert d.low == pytest.approx(low, abs=1e-9) or d.low == 0 < low
    assert d.high == pytest.approx(high, abs=1e-9) or d.high == 0 > high
    assert -1 <= d.low <= d.change <= d.high <= 1
    excluded = d.low > 1e-9 or d.high < -1e-9
    assert (d.p < 0.05) == excluded or d.p == pytest.approx(0.05, abs=1e-6)


def test_no_change_has_p_one() -> None:
    """Two equal rates give no evidence at all."""
    assert compare_rates(Proportion(9, 10), Proportion(90, 100)).p == 1


@given(counts, counts)
def test_few_expected_fails_are_tested_exactly(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    """Fisher's p is scipy's, and p of a change is never below it where few are expected."""
    sides = Proportion(*before), Proportion(*after)
    table = [[k, n - k] for k, n in (before, after)]
    exact = float(fisher_exact(table)[1])
    assert fisher_p(*sides) == pytest.approx(exact, abs=1e-7)
    rare = before[0] + after[0]
    expected = min(rare, sum(n - k for k, n in (before, after))) / (before[1] + after[1])
    if expected * min(before[1], after[1]) < 9.9 and sides[0].rate != sides[1].rate:
        assert compare_rates(*sides).p >= exact - 1e-9


def test_one_failing_trace_is_no_change() -> None:
    """One fail of one trace against 1,260 of 1,400 is no evidence."""
    d = compare_rates(Proportion(1260, 1400), Proportion(0, 1))
    assert d.p > 0.05
    assert d.high == 0


def test_nights_that_differ_widen_their_pooled_interval() -> None:
    """With an sd of .02 between seven nights the pooled interval covers about 95 in 100."""
    rng = np.random.default_rng(4)
    shocked = (
        np.sin((2 * np.arcsin(np.sqrt(0.12)) + 0.06 * rng.standard_normal((1000, 7))) / 2) ** 2
    )
    failed = rng.binomial(1000, shocked)
    covered = 0
    for night in failed:
        low, high = pool_proportions([Proportion(int(k), 1000) for k in night]).interval()
        covered += low <= 0.1207 <= high
    assert 0.93 <= covered / 1000 <= 0.97


def test_difference_needs_rows() -> None:
    """A night without verdicts is not compared."""
    with pytest.raises(ValueError, match="both sides"):
        compare_rates(Proportion(0, 0), Proportion(1, 2))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_exact(b: int, c: int) -> None:
    """McNemar's p is statsmodels' exact one."""
    expected = sm_mcnemar([[1, b], [c, 1]], exact=True).pvalue
    assert mcnemar(b, c) == pytest.approx(float(expected), abs=1e-9)


def test_mcnemar_vector() -> None:
    """Five against fifteen gives the published p."""
    assert mcnemar(5, 15) == pytest.approx(0.0413895, abs=1e-7)


@pytest.mark.parametrize(("n", "effect"), [(100, 0.129), (1000, 0.041), (5000, 0.018)])
def test_mde_vectors(n: int, effect: float) -> None:
    """Two nights of n traces at a rate of .12 detect the published effect."""
    assert mde(0.12, n, n) == pytest.approx(effect, abs=5e-4)


@pytest.mark.parametrize("before", [100_000, 3000, 50])
def test_needed_rows_detect_the_drop(before: int) -> None:
    """With the needed rows the drop is detected, and with two fewer it is not."""
    n = needed_n(0.12, 0.05, before)
    assert mde(0.12, max(before, n), n) <= 0.05
    assert mde(0.12, max(before, n), n - 2) > 0.0499 or n > before


@settings(max_examples=20)  # statsmodels collects all garbage at each call
@given(ps)
def test_adjusted_ps_by_holm_are_statsmodels(values: list[float]) -> None:
    """Holm gives statsmodels' figures in the order given."""
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1], abs=1e-12)


@given(ps)
def test_adjusted_ps_by_benjamini_and_hochberg_are_statsmodels(values: list[float]) -> None:
    """Benjamini-Hochberg gives statsmodels' figures in the order given."""
    expected = multipletests(values, method="fdr_bh")[1]
    assert benjamini_hochberg(values) == pytest.approx(expected, abs=1e-12)


def test_rogan_gladen_vector() -> None:
    """Labels of other traces correct the judge with the delta method's interval."""
    result = rogan_gladen(JUDGED, LABELS)
    assert result == pytest.approx((0.123429, 0.019846, 0.227011), abs=1e-6)


def test_post_stratified_vector() -> None:
    """Random labels correct the judge by its verdict, with the published interval."""
    result = post_stratify(Strata.of_counts(JUDGED, LABELS))
    assert result == pytest.approx((0.120566, 0.077940, 0.163192), abs=1e-6)


def test_a_judge_that_guesses_corrects_nothing() -> None:
    """Where TPR + TNR is near 1 there is no corrected figure."""
    assert rogan_gladen(JUDGED, Agreement(25, 25, 25, 25)) is None
    assert rogan_gladen(JUDGED, Agreement(25, 5, 0, 0)) is None
    assert post_stratify(Strata.of_counts(JUDGED, Agreement(25, 0, 5, 0))) is None
    guess = Strata.of_counts(JUDGED, Agreement(25, 25, 25, 25))
    assert transport_estimate(guess, JUDGED) is None


@given(counts, st.tuples(*[st.integers(0, 80)] * 4))
def test_corrected_rates_stay_rates(count: tuple[int, int], cells: tuple[int, ...]) -> None:
    """A corrected rate and its interval stay within [0, 1], the rate inside its interval."""
    labels, judged = Agreement(*cells), Proportion(*count)
    strata = Strata.of_counts(judged, labels)
    sides = measure_sides(strata) or ()
    transported = transport_estimate(strata, Proportion(3, 10))
    for result in (rogan_gladen(judged, labels), post_stratify(strata), transported, *sides):
        assert result is None or 0 <= result.low <= result.value <= result.high <= 1


QUEUE = Strata.of_counts(Proportion(8650, 10_000), Agreement(tp=65, fn=31, fp=1, tn=63))


def test_labels_of_a_queue_show_the_rate_and_the_judge() -> None:
    """Labels of 66 passed and 94 failed answers show the rate, TPR and TNR of all 10,000."""
    expected = (0.896415, 0.858627, 0.934204)
    assert post_stratify(QUEUE) == pytest.approx(expected, abs=1e-6)
    sides = measure_sides(QUEUE)
    assert sides
    assert sides.tpr == pytest.approx((0.950334, 0.935652, 0.962917), abs=1e-6)
    assert sides.tnr == pytest.approx((0.873475, 0.560283, 0.975065), abs=1e-6)
    assert sides.j == pytest.approx(0.823809, abs=1e-6)


def test_older_labels_estimate_tonight() -> None:
    """The judge's change is divided by J; labels of few answers make the interval wider."""
    is_known = replace(QUEUE, judged=Proportion(8650, 10_000, math.inf))
    tonight = Proportion(800, 1000)
    expected = (0.817513, 0.745735, 0.889292)
    assert transport_estimate(is_known, tonight) == pytest.approx(expected, abs=1e-6)
    assert transport_estimate(QUEUE, tonight) == pytest.approx(expected, abs=2e-4)
    few = replace(QUEUE, judged=Proportion(87, 100))
    wide, usual = transport_estimate(few, tonight), transport_estimate(QUEUE, tonight)
    assert wide
    assert usual
    assert wide.high - wide.low > usual.high - usual.low


def test_weights_undo_an_unequal_chance() -> None:
    """Labels that stand for four answers each count four times, and as no more than they are."""
    stratum = Stratum(passed=4 * 10 + 5, failed=5, squares=16 * 10 + 10)
    assert stratum.rate == pytest.approx(0.9)
    assert stratum.size == pytest.approx(50**2 / 170)


def test_a_judge_without_a_wrong_label_is_not_taken_to_be_without_errors() -> None:
    """Ten right passes and five right failures leave a rate wide open."""
    shown = rogan_gladen(Proportion(900, 1000), Agreement(10, 0, 0, 5))
    assert shown == pytest.approx((0.9, 0.639981, 1.0), abs=1e-6)


def test_a_judge_that_may_be_one_by_chance_corrects_nothing() -> None:
    """TPR + TNR - 1 of .30 on twenty labels of each verdict is not far enough above 0."""
    judged = Proportion(700, 1000)
    assert rogan_gladen(judged, Agreement(14, 6, 8, 12)) is None
    assert rogan_gladen(judged, Agreement(140, 60, 80, 120))


def test_labels_of_several_weights_show_less_than_their_effective_number() -> None:
    """Where few labels of a large weight are the failed ones, an interval is wider than Kish's."""
    light, heavy = Stratum(45, 5, 170, 5, labels=20), Stratum(40, 32, 296, 256, labels=44)
    assert (light.size, light.information) == pytest.approx((14.705882, 12.104073))
    assert (heavy.size, heavy.information) == pytest.approx((17.513514, 13.022379))
    assert (light.variance, heavy.variance) == pytest.approx((0.01248435, 0.01904065))
    assert heavy.interval() == pytest.approx((0.305402, 0.780398), abs=1e-6)
    both = post_stratify(Strata(Proportion(800, 1000), passed=heavy, failed=light))
    assert both == pytest.approx((0.624444, 0.403530, 0.845359), abs=1e-6)


def test_labels_of_one_weight_show_as_much_as_they_are() -> None:
    """Whatever the weight; so do labels of a row that did not count them."""
    for stratum in (Stratum(60, 20, 320, 80, labels=20), Stratum(60, 20, 320)):
        assert stratum.information == stratum.size == 20
        assert stratum.smooth_rate == pytest.approx(16 / 22)


def test_kappa_vector() -> None:
    """Kappa and its error are the published ones, and statsmodels'."""
    result = Agreement(40, 9, 6, 45).kappa
    assert result == pytest.approx((0.699519, 0.071394), abs=1e-6)
    oracle = cohens_kappa([[40, 9], [6, 45]])
    assert result == pytest.approx((oracle.kappa, oracle.std_kappa))
