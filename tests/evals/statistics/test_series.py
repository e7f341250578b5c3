"""Promises of nightly evidence: its figures, and what does not page."""

from __future__ import annotations

import numpy as np
import pytest

from evals.statistics import series
from evals.statistics.series import Floats, Panel

FAILED = (
    "24 22 26 21 25 30 33 43 27 22 14 20 31 49 25 11 24 36 22 28 32 32 24 13 27 25 43 30 "
    "40 40 40 40 40 40 40 40"
)
"""Of 200 a night: 28 nights of a baseline, the gap, and night 35."""


def make_panel(failed: str = FAILED, size: float = 200) -> Panel:
    """One series."""
    counts = np.array([[float(n) for n in failed.split()]])
    return series.make_panel(counts, np.full(counts.shape, size), np.arange(counts.shape[1]) % 7)


def weigh_all(panel: Panel, count: int = 30) -> tuple[series.Evidence, list[series.NightEvidence]]:
    """Weighs every night of a panel."""
    evidence = series.start_evidence(panel)
    usable = np.ones(panel.y.shape, dtype=bool)
    calm = np.zeros(panel.y.shape[:-1], dtype=bool)
    return evidence, [
        series.weigh_night(evidence, panel, t, usable=usable, is_disturbed=calm, series=count)
        for t in range(panel.y.shape[-1])
    ]


def test_rates_on_the_scale() -> None:
    """Fails of a sample have the published place on the arcsine scale."""
    y = series.transform_rate(np.array([24.0, 36.0]), np.array([200.0, 200.0]))
    assert y == pytest.approx([0.711841, 0.879406], abs=1e-6)
    assert series.invert_transform(y) == pytest.approx([0.121, 0.181], abs=1e-3)


def test_t_becomes_z() -> None:
    """A Student's t has the z of the same tail."""
    z = series.convert_t(np.array([3.0, -1.5]), np.array([21.0, 77.0]))
    assert z == pytest.approx([2.704809, -1.484401], abs=1e-6)


@pytest.mark.parametrize(
    ("weekday", "expected", "z"), [(0, 0.794020, 1.132619), (6, 0.845459, 0.711216)]
)
def test_a_night_against_its_weekday(weekday: int, expected: float, z: float) -> None:
    """Level, shrunk season, spread and z of a night are those of the reference."""
    panel = make_panel()
    base = Panel(panel.y[:, :28], panel.variance[:, :28], panel.weekdays[:28])
    fit = series.fit_baseline(base, np.ones((1, 28), dtype=bool))
    sd = fit.predict_sd(weekday, panel.variance[:, 35])
    t = (panel.y[:, 35] - fit.expect(weekday)) / sd
    assert fit.expect(weekday) == pytest.approx([expected], abs=1e-6)
    assert fit.spread == pytest.approx([0.006413], abs=1e-6)
    assert fit.leverage[0, weekday] == pytest.approx(0.198319, abs=1e-6)
    assert sd == pytest.approx([0.116885], abs=1e-6)
    assert series.convert_t(t, fit.freedom) == pytest.approx([z], abs=1e-6)


def test_the_scan_finds_the_best_window() -> None:
    """Each night's scan is the largest capped sum over root nights."""
    z = np.array([0.3, -0.5, 1.2, 2.1, 2.4, 1.9, 3.6])
    found = [float(series.scan_windows(z[: i + 1], 28)[0]) for i in range(len(z))]
    expected = [0.3, -0.141421, 1.2, 2.333452, 3.290897, 3.695042, 5.008792]
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_baseline_ended_seven_nights_ago() -> None:
    """Night 35 is the first with a full baseline, and the week before it is no part of that."""
    panel = make_panel()
    for night, count in ((1, 1), (8, 7), (20, 13), (34, 27), (35, 28)):
        _, base = series.select_baseline(panel, np.ones(panel.y.shape, dtype=bool), night)
        assert base.sum() == count
    long = make_panel(" ".join(["20"] * 200))
    span, base = series.select_baseline(long, np.ones(long.y.shape, dtype=bool), 150)
    assert (base.sum(), span.start, np.flatnonzero(base[0])[-1] + span.start) == (84, 59, 142)


def test_more_series_need_more_evidence() -> None:
    """The threshold rises with the board, falls with the baseline, and is 4.8 at least at first."""
    few, many = (float(series.find_threshold(n, np.array(28.0))) for n in (5, 60))
    assert few < many < float(series.find_threshold(600, np.array(28.0)))
    assert float(series.find_threshold(5, np.array(84.0))) < few
    assert float(series.find_threshold(5, np.array(3.0))) == 4.8


def draw_application(seed: int, nights: int, shared: float = 0.0) -> Floats:
    """Rates of five dimensions near .12, with shocks they share."""
    rng = np.random.default_rng(seed)
    angle = 0.71 + shared * rng.standard_normal((1, nights)) + 0.0 * np.ones((5, 1))
    return np.sin(angle / 2) ** 2


def test_siblings_take_a_shared_shock_away() -> None:
    """A night on which every dimension is worse is less evidence against each of them."""
    rng = np.random.default_rng(1)
    rate = draw_application(1, 60, shared=0.06)
    failed = rng.binomial(1000, rate).astype(float)
    panel = series.make_panel(failed, np.full(failed.shape, 1000.0), np.arange(60) % 7)
    evidence, _ = weigh_all(series.add_mean(panel, np.ones(5, dtype=bool)))
    full = slice(36, 60)
    shared = np.nanmean(evidence.plain[:5, full], 0)
    own = np.nanmean(evidence.z[:5, full], 0)
    assert np.std(own) < 0.6 * np.std(shared)


def test_nights_without_scores_are_no_evidence() -> None:
    """A series with gaps has no z there, does not page there, and warns of nothing."""
    failed = np.tile([[20.0, 0.0]], (2, 25))
    size = np.tile([[200.0, 0.0]], (2, 25))
    panel = series.make_panel(failed, size, np.arange(50) % 7)
    evidence, nights = weigh_all(series.add_mean(panel, np.zeros(2, dtype=bool)))
    assert np.isnan(evidence.z[:, 1::2]).all()
    assert not any(night.pages.any() for night in nights)


def test_the_first_night_compares_with_nothing() -> None:
    """One night, or a size below one, gives no evidence and no error."""
    for size in (200.0, 0.3, 0.0):
        evidence, nights = weigh_all(make_panel("0", size))
        assert np.isnan(evidence.z).all()
        assert not nights[0].pages.any()
