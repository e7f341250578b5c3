"""The reports of several nights pooled to one rate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evals.reports.pooling import pool_reports
from evals.reports.report import build_refused_report
from evals.specs import App
from evals.statistics import wilson_interval
from tests.evals.reports.chat_nights import APP, BASE, TONIGHT, make_rate
from tests.evals.reports.night_rows import Night, report_of


def test_nights_pool_their_counts() -> None:
    """Pooled reports give one rate: that of the summed counts."""
    later = TONIGHT + timedelta(days=1)
    second = make_rate(152, 48, date=later, errored=4)
    (row,) = pool_reports([report_of(BASE), report_of(replace(BASE, date=later, rates=[second]))])
    assert (row.passed, row.failed, row.errored, row.nights) == (302, 98, 4, 2)
    assert row.rate == 302 / 400
    assert (row.low, row.high) == pytest.approx(wilson_interval(302, 400), abs=1e-6)
    assert (row.first, row.last) == (TONIGHT, later)


def test_nights_that_differ_are_no_larger_sample() -> None:
    """Three nights of very different rates have a wider interval than their counts alone."""
    days = [TONIGHT + timedelta(days=i) for i in range(3)]
    rates = [make_rate(k, 200 - k, date=day) for k, day in zip((190, 150, 110), days, strict=True)]
    nights = [report_of(replace(BASE, date=row["date"], rates=[row])) for row in rates]
    (row,) = pool_reports(nights)
    assert row.low is not None
    assert row.low < wilson_interval(450, 600).low - 0.2


def test_versions_of_an_evaluator_are_never_added_up() -> None:
    """Nights judged by two versions are two rows, the earlier first."""
    later = TONIGHT + timedelta(days=1)
    second = make_rate(100, 100, date=later, evaluator_version="a-newer-one")
    rows = pool_reports([report_of(BASE), report_of(replace(BASE, date=later, rates=[second]))])
    assert [(row.evaluator_versions, row.passed) for row in rows] == [
        (("v1",), 150),
        (("a-newer-one",), 100),
    ]
    assert rows[0].is_other_version(rows[1])


def test_pooled_bodies_keep_their_conversations() -> None:
    """Intervals widened by conversations stay wide when reports are pooled."""
    long = [
        make_rate(150, 50, date=night, sessions=20, session_ss=300.0)
        for night in (TONIGHT, TONIGHT + timedelta(days=1))
    ]
    (row,) = pool_reports(report_of(replace(BASE, date=one["date"], rates=[one])) for one in long)
    plain = wilson_interval(300, 400)
    assert row.low is not None
    assert row.high is not None
    assert row.high - row.low > 1.5 * (plain.high - plain.low)


def test_one_night_is_pooled_once() -> None:
    """Two versions of a night, or two applications, are refused; a refused night adds nothing."""
    report, later = report_of(BASE), TONIGHT + timedelta(days=1)
    with pytest.raises(ValueError, match="one version of each night"):
        pool_reports([report, report])
    with pytest.raises(ValueError, match="one application"):
        pool_reports([report, report_of(replace(BASE, date=later, app=App(app="other")))])
    gone = build_refused_report(Night(later, APP, None), "Rubbish.")
    assert pool_reports([report, gone])[0].nights == 1
