"""Promises of incomplete labels: they are shown as what they are, and decide only what they can."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reports.decide.labelling import bound_rate, widen_difference
from evals.reports.pages.night import render_night
from evals.reports.row_counts import LabelCounts
from evals.reports.sections import labels
from evals.statistics import Proportion, compare_rates
from tests.evals.reports.chat_nights import BASE, TONIGHT, make_dimension, make_rate
from tests.evals.reports.night_rows import Night, build, report_of

PEOPLE = {"evaluator": "over-refusal.human", "kind": "recorded"}
Row = dict[str, Any]


def covered(row: Row, traces: int, night: date = TONIGHT) -> Row:
    """A row of the coverage of a recorded annotator."""
    keys = ("dimension", "evaluator", "evaluator_version")
    counts = {"covered": traces, "sampled": row["n"], "date": night}
    return {key: row[key] for key in keys} | counts


def night(passed: int, failed: int, traces: int, *, before: int = 200, **changes: Any) -> Night:
    """A night whose traces people judged in part, after seven of 91% in which they judged more.

    Args:
        passed: answers people passed.
        failed: answers people failed.
        traces: the covered answers.
        before: the covered answers of each earlier night, of which 200 were judged.
        changes: keys of the dimension.
    """
    tonight = make_rate(passed, failed, **PEOPLE)
    past = [make_rate(182, 18, date=TONIGHT - timedelta(days=d), **PEOPLE) for d in range(1, 8)]
    return replace(
        BASE,
        rates=[tonight],
        history=past,
        cause_rates=(),
        coverage=[covered(tonight, traces)],
        coverage_before=[covered(row, before, row["date"]) for row in past],
        dimensions=make_dimension(**changes),
    )


def row_of(made: Night) -> Row:
    """The only row of a night's report."""
    (row,) = build(made)["results"]
    return row


def test_a_night_people_judged_in_part_decides_nothing() -> None:
    """At coverage .69 a rate of 25% is shown beside what is possible, and no verdict is given."""
    row = row_of(night(35, 103, 200))
    assert (row["coverage"], row["verdict"], row["decides"]) == (0.69, "not measured", False)
    assert row["reason"] == "people judged 138 of 200 answers (69%); 90% decide"
    assert row["rate"] == pytest.approx(0.2536, abs=1e-4)
    assert row["unlabelled"]["n"] == 62
    assert row["unlabelled"]["low"] < 35 / 200 < (35 + 62) / 200 < row["unlabelled"]["high"]


def test_a_suite_sets_the_coverage_that_decides() -> None:
    """Under `min_coverage: 0.5` the same night is a slip that no answer could turn."""
    row = row_of(night(35, 103, 200, min_coverage=0.5))
    assert (row["verdict"], row["decides"]) == ("slipped", True)


def test_what_unlabelled_answers_could_turn_is_not_decided() -> None:
    """A drop that the rest of the answers could make up for is too close to call."""
    whole, part = row_of(night(162, 28, 190)), row_of(night(162, 28, 210))
    assert whole["verdict"] == "slipped"
    assert (part["verdict"], part["decides"]) == ("too close to call", True)
    assert part["reason"] == "20 answers without a label could change it"
    assert part["change_low"] < whole["change_low"] < whole["change_high"] < part["change_high"]
    assert "unlabelled" not in whole


def test_a_baseline_of_incomplete_nights_is_none() -> None:
    """Earlier nights that people judged too little of are not compared with."""
    row = row_of(night(182, 18, 200, before=400))
    assert (row["verdict"], row["reason"]) == ("not measured", "no baseline yet")
    assert row_of(night(182, 18, 200, before=210))["baseline"]["n"] == 1400


def test_a_target_is_met_only_if_it_is_under_every_outcome() -> None:
    """Without a baseline the whole of what is possible is compared with the target."""
    made = replace(night(195, 5, 200, target=0.9), history=[])
    assert row_of(made)["verdict"] == "held"
    made = replace(night(195, 5, 220, target=0.9), history=[])
    assert row_of(made)["verdict"] == "too close to call"


def test_adjudicated_and_other_labels_cover_a_night_together() -> None:
    """Answers that were adjudicated are not missing from the row of the others."""
    adjudicated = {**PEOPLE, "evaluator": "over-refusal.adjudicated"}
    human, panel = make_rate(140, 10, **PEOPLE), make_rate(45, 5, **adjudicated)
    made = replace(
        BASE,
        rates=[human, panel],
        history=[],
        cause_rates=(),
        coverage=[covered(human, 200), covered(panel, 200)],
    )
    rows = build(made)["results"]
    assert [row["decides"] for row in rows] == [True, True]
    assert all("unlabelled" not in row for row in rows)


def test_an_outside_judge_shows_what_it_did_not_judge() -> None:
    """Its row has their number and what is possible; it never decides, so it needs none."""
    row = make_rate(60, 40, kind="recorded", evaluator="over-refusal.gpt4")
    made = replace(BASE, rates=[row], history=[], cause_rates=(), coverage=[covered(row, 150)])
    shown = row_of(made)
    assert (shown["unlabelled"]["n"], shown["verdict"]) == (50, "not measured")
    assert shown["reason"] == "recorded by someone else: not gating"


shares = st.floats(0, 1)
rates = st.builds(lambda n, share: Proportion(round(n * share), n), st.integers(1, 500), shares)


@given(rates, st.integers(0, 300), shares)
def test_every_outcome_is_possible(counted: Proportion, missing: int, share: float) -> None:
    """However many of the unlabelled answers pass, the rate of all is possible."""
    possible = bound_rate(counted, missing)
    assert possible
    truth = (counted.passed + round(missing * share)) / (counted.n + missing)
    assert possible.low - 1e-9 <= truth <= possible.high + 1e-9


@given(rates, rates, st.integers(0, 99), st.integers(0, 99), shares, shares)
def test_every_change_is_within_the_widened_interval(
    before: Proportion, after: Proportion, a: int, b: int, p: float, q: float
) -> None:
    """However the unlabelled answers of both sides turn out, the change of all is in it."""
    d = compare_rates(before, after, 0.05)
    wide = widen_difference(d, before, after, (a, b))
    truth = (after.passed + b * q) / (after.n + b) - (before.passed + a * p) / (before.n + a)
    assert wide.low - 1e-9 <= truth <= wide.high + 1e-9
    assert wide.low <= d.low <= d.high <= wide.high
    assert (a, b) != (0, 0) or wide == d


def test_a_report_counts_its_labels_and_those_that_wait() -> None:
    """Body and page have the labels that count, those that do not, and those that wait."""
    counts = {"labels": 9, "counted": 5, "corrected": 1, "outdated": 1, "unmapped": 1}
    counts |= {"unknown_dimension": 1, "traces": 4, "waiting": 3}
    report = report_of(replace(BASE, label_counts=LabelCounts(**counts)))
    assert report.to_json()["labels"] == counts
    page = render_night(report, history=[])
    assert "5 labels of 4 traces count; 1 were corrected" in page
    assert "3 wait for their trace" in page
    assert "<h2>Labels</h2>" not in render_night(report_of(BASE), history=[])
    assert report_of(BASE)[labels.SECTION] == LabelCounts()
