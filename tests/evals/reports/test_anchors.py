"""Promises of reports about a judge that changed: what it did, and what the application did."""

from datetime import timedelta
from typing import Any

import pytest

from evals.reports.decide.anchors import find_bridges, find_drift, find_repeated, label_anchors
from evals.reports.decide.judge_labels import JudgeLabels
from evals.reports.decide.rows import Anchor, read_rows
from evals.reports.pages.night import render_night
from evals.reports.pages.night_markdown import render_markdown
from evals.reports.report import Report
from evals.reports.sections import agreement, alarms, anchors, causes, incidents, results
from tests.evals.reports.chat_nights import JUDGE, make_agreement, make_dimension, make_rate
from tests.evals.reports.night_rows import Night, report_of
from tests.simulate.bridges import APP, BASE, FIRST, make_anchor, make_judge

Row = dict[str, Any]
IDENTITY = (JUDGE["dimension"], JUDGE["evaluator"], "v2")


def make_anchors(n: int, passes: float = 1.0, at: int = BASE, **changes: Any) -> list[Row]:
    """Makes anchors of a changed judge; four fifths passed before, of which a share still does."""
    passed, failed = round(0.8 * n), n - round(0.8 * n)
    kept = round(passes * passed)
    version = changes.pop("version", "v2")
    kind = changes.pop("kind", "changed")
    verdicts = [("pass", "pass")] * kept + [("pass", "fail")] * (passed - kept)
    return [
        make_anchor(kind, at, version, f"{at}-{i}", before, after, **changes)
        for i, (before, after) in enumerate([*verdicts, *[("fail", "fail")] * failed])
    ]


def make_labelled(n: int = 40) -> list[Row]:
    """Makes anchors that were asked for their labels, with which the judge agrees."""
    return [
        make_anchor("changed", BASE, "v2", f"l-{i}", word, word, weight=None, label=word)
        for i in range(n)
        for word in ("pass", "fail")
    ]


def report(
    rate: float, rows: list[Row], version: str = "v2", after: int = 0, **changes: Any
) -> Report:
    """Reports a night of 1,000 answers; before a judge's v1 passed 800 of 1,000 for 42 nights."""
    nights = [FIRST + timedelta(days=at) for at in range(BASE + after + 1)]
    rates = [
        make_rate(
            *((round(1000 * rate), round(1000 * (1 - rate))) if at >= BASE else (800, 200)),
            date=night,
            evaluator_version=version if at >= BASE else "v1",
            **JUDGE,
        )
        for at, night in enumerate(nights)
    ]
    return report_of(
        Night(
            date=nights[-1],
            app=APP,
            suite="chat",
            rates=rates[-1:],
            history=rates[:-1],
            dimensions=make_dimension(JUDGE["dimension"]),
            evaluators=[make_judge(version)],
            agreement=[make_agreement(40, 0, 0, 40, evaluator_version="v1", date=FIRST)],
            anchors=rows,
            **changes,
        )
    )


def test_a_judge_that_drifted_alone_is_no_fall() -> None:
    """Its earlier nights are compared as it would have judged them."""
    found = report(0.72, [*make_anchors(200, 0.9), *make_labelled()])
    (row,) = found[results.SECTION]
    assert row.decides
    assert row.verdict != "slipped"
    assert row.carried
    assert row.carried.words == "the judge drifted by −8 ± 4 points on 200 anchors"
    assert row.baseline
    assert row.baseline.rate == pytest.approx(0.72)
    assert found[incidents.SECTION].rows == ()
    (cause,) = found[causes.SECTION]
    assert cause.words.endswith(row.carried.words)


def test_a_fall_of_the_same_night_is_found() -> None:
    """It is an incident on the night of the change, and both sentences are there."""
    found = report(0.57, [*make_anchors(200, 0.9), *make_labelled()])
    (row,) = found[results.SECTION]
    assert row.verdict == "slipped"
    assert "the judge drifted by −8 ± 4 points on 200 anchors" in row.reason
    assert "the application fell by −15 ± 9 points (bridged)" in row.reason
    (one,) = found[incidents.SECTION].rows
    assert one.decides
    assert (one.rates[0].anchors, one.rates[0].before) == (200, pytest.approx(0.72, abs=0.01))
    assert found.gate.outcome == "regressed"
    assert "200 anchors carried the nights before over" in render_night(found, history=())


def test_a_fall_that_lasts_is_remembered_beyond_the_change() -> None:
    """The incident is open three weeks later, and closes once the rate is back."""
    rows = [*make_anchors(200, 0.9), *make_labelled()]
    (one,) = report(0.57, rows, after=21)[incidents.SECTION].rows
    assert (one.state, one.rates[0].comparable) == ("ongoing", True)


@pytest.mark.parametrize("n", [0, 19])
def test_too_few_anchors_compare_nothing(n: int) -> None:
    """The rate is not measured, and the reason names how many there are and how many it takes."""
    found = report(0.57, [*make_anchors(n), *make_labelled()])
    (row,) = found[results.SECTION]
    assert (row.verdict, row.change, row.carried) == ("not measured", None, None)
    assert row.reason.startswith("the evaluator changed")
    assert ("19 anchors, 20 needed" in row.reason) == (n == 19)


def test_failed_anchors_are_named() -> None:
    """Those without a verdict count for nothing, and the reason names their code."""
    rows = make_anchors(19) + [
        make_anchor("changed", BASE, "v2", f"x{i}", "pass", None, code="timeout") for i in range(6)
    ]
    found = report(0.57, [*rows, *make_labelled()])
    (row,) = found[results.SECTION]
    assert "19 anchors, 6 more without a verdict (timeout), 20 needed" in row.reason
    (shown,) = found[anchors.SECTION]
    assert (shown.asked, shown.n, shown.code, shown.labelled) == (25, 19, "timeout", 80)
    assert "6 more without a verdict" in render_night(found, history=())


def test_a_changed_judge_is_aligned_by_its_labelled_anchors() -> None:
    """Without them it is watched only; with enough it decides on its first night."""
    (alone,) = report(0.8, make_anchors(200))[results.SECTION]
    assert (alone.aligned, alone.decides) == (False, False)
    found = report(0.8, [*make_anchors(200), *make_labelled()])
    assert found[results.SECTION][0].decides
    shown = found[agreement.SECTION][0]
    assert (shown.evaluator_version, shown.tp, shown.tn, shown.usable) == ("v2", 40, 40, True)


def test_labels_with_a_chance_count_by_it() -> None:
    """They are labels of the answers' own nights, and the judge's rate is that of the anchors."""
    rows = [*make_anchors(200, 0.9)]
    rows += [row | {"probability": 0.5} for row in make_labelled(20)]
    (labelled,) = label_anchors(read_rows(Anchor, rows))
    assert (labelled.date or FIRST) < FIRST + timedelta(days=BASE)
    assert (labelled.sampled_tp, labelled.sampled_tn, labelled.locked_passes) == (40, 40, 20)
    assert (labelled.sampled_tn_squares, labelled.locked_fp_squares) == (80, 0)
    assert (labelled.sampled_pass_labels, labelled.locked_fail_labels) == (20, 20)
    assert labelled.judged_weight_passed / labelled.judged_weight == pytest.approx(0.72)
    assert JudgeLabels((labelled,)).is_sampled


def test_a_silent_drift_is_the_judge_s_and_gates_nothing() -> None:
    """Once enough answers were judged again, the rate is not measured, and an alarm is raised."""
    rows = [
        row
        for at in range(BASE, BASE + 15)
        for row in make_anchors(20, 0.75, at=at, version="v1", kind="same")
    ]
    found = report(0.6, rows, version="v1", after=14)
    (one,) = found[incidents.SECTION].rows
    assert not one.decides
    assert one.rates[0].drift
    assert one.rates[0].drift.words == "the judge drifted by −20 ± 4 points on 300 anchors"
    (row,) = found[results.SECTION]
    assert (row.verdict, row.reason) == ("not measured", one.rates[0].drift.words)
    assert found.gate.outcome == "inconclusive"
    (alarm,) = found[alarms.SECTION]
    assert alarm.code == "judge-drifted"
    assert "the judge drifted by −20" in alarm.words
    assert "the judge drifted" in render_markdown(found)


def test_a_fall_under_a_judge_that_is_the_same_is_the_application_s() -> None:
    """The answers judged again show no drift: the gate is regressed."""
    rows = [
        row
        for at in range(BASE, BASE + 15)
        for row in make_anchors(20, at=at, version="v1", kind="same")
    ]
    found = report(0.6, rows, version="v1", after=14)
    (one,) = found[incidents.SECTION].rows
    assert one.decides
    assert one.rates[0].drift
    assert one.rates[0].drift.words.startswith("the application fell by −20")
    assert found.gate.outcome == "regressed"
    assert found[alarms.SECTION] == ()


def test_few_anchors_cannot_tell_the_two_apart() -> None:
    """The incident names how many would, and it gates until then."""
    rows = make_anchors(10, 0.75, at=BASE + 2, version="v1", kind="same")
    found = report(0.65, rows, version="v1", after=2)
    (one,) = found[incidents.SECTION].rows
    assert one.decides
    assert one.rates[0].drift
    assert "cannot be told apart: 10 anchors, " in one.rates[0].drift.words


def test_an_answer_asked_twice_counts_once() -> None:
    """Its latest verdict counts, and only those asked in the nights in question."""
    rows = read_rows(
        Anchor,
        [
            make_anchor("same", at, "v1", "a", "pass", verdict)
            for at, verdict in ((1, "pass"), (5, "fail"), (9, "pass"))
        ],
    )
    identity = (*IDENTITY[:2], "v1")
    found = find_repeated(rows, identity, FIRST, FIRST + timedelta(days=6))
    assert found
    assert [row.verdict for row in found.rows] == ["fail"]
    assert find_repeated(rows, identity, FIRST + timedelta(days=10), FIRST) is None
    assert find_drift(rows, identity, FIRST + timedelta(days=9)) is None


def test_anchors_without_a_weight_are_no_sample() -> None:
    """Those chosen for their labels carry nothing over."""
    assert find_bridges(read_rows(Anchor, make_labelled())) == {}


def test_a_report_without_anchors_has_no_such_key() -> None:
    """Bodies of nights without them are as before."""
    found = report(0.8, [], version="v1")
    assert found[anchors.SECTION] == ()
    assert "carried" not in found.to_json()["results"][0]
