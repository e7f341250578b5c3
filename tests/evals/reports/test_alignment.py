"""Which judges decide: those whose verdicts agree with people's labels."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evals.reports.decide.judge_labels import JudgeLabels
from evals.reports.decide.rows import Labelled, Rate, read_row
from evals.reports.sections.incidents import collect_evidence
from tests.evals.reports.chat_nights import (
    APP,
    BASE,
    JUDGE,
    TONIGHT,
    build_valid,
    find_result,
    make_agreement,
    make_rate,
    make_week,
)


def test_an_unaligned_judge_decides_nothing() -> None:
    """A judge that disagrees with people is shown, and counts for neither verdict nor gate."""
    night = replace(
        BASE,
        rates=[make_rate(182, 18), make_rate(20, 180, **JUDGE)],
        history=[*make_week(182, 18), *make_week(180, 20, **JUDGE)],
        agreement=[make_agreement(15, 15, 20, 10)],
    )
    body = build_valid(night)
    row = find_result(body, kind="judge")
    assert (row["decides"], row["aligned"], row["verdict"]) == (False, False, "not measured")
    assert row["reason"] == (
        "watch only: the judge does not agree with people enough: TPR 50% (at least 33%), "
        "TNR 33% (at least 19%); 10 passes and 10 failures until the next look"
    )
    assert (row["estimate"], row["estimator"]) == (None, "none")
    assert (body["verdict"], body["gate"]["outcome"]) == ("held", "pass")
    assert body["changes"] == []
    assert not body["agreement"][0]["usable"]


def test_an_aligned_judge_decides_and_is_corrected() -> None:
    """A judge that agrees with people decides, with an estimate wider than its raw interval."""
    night = replace(
        BASE,
        rates=[make_rate(120, 80, **JUDGE)],
        history=make_week(180, 20, **JUDGE),
        cause_rates=(),
        agreement=[make_agreement(40, 2, 1, 20), make_agreement(50, 5, 1, 18)],
    )
    row = find_result(body := build_valid(night))
    assert (row["decides"], row["aligned"], row["verdict"]) == (True, True, "slipped")
    assert row["estimator"] == "rogan-gladen"
    assert row["estimate_high"] - row["estimate_low"] > row["high"] - row["low"]
    assert body["agreement"][0]["n"] == 137
    assert [look["at"] for look in body["agreement"][0]["looks"]] == [20, 40]


def test_labels_of_another_version_align_nothing() -> None:
    """Agreement belongs to a version of a judge; the next one has to earn its own."""
    row = make_agreement(40, 2, 1, 40, evaluator_version="v0")
    body = build_valid(replace(BASE, rates=[make_rate(120, 80, **JUDGE)], agreement=[row]))
    assert find_result(body)["aligned"] is False
    assert "no labels for this judge yet" in body["sentence"]
    assert body["agreement"] == []


def test_adjudicated_labels_decide_and_recorded_judges_do_not() -> None:
    """The adjudicated verdict decides; one recorded by another judge is shown beside it."""
    human, other = (
        {"evaluator": f"over-refusal.{name}", "kind": "recorded"}
        for name in ("adjudicated", "gpt4")
    )
    body = build_valid(
        replace(
            BASE,
            rates=[make_rate(182, 18, **human), make_rate(20, 180, **other)],
            history=[*make_week(182, 18, **human), *make_week(182, 18, **other)],
        )
    )
    assert find_result(body, evaluator=human["evaluator"])["decides"]
    shown = find_result(body, evaluator=other["evaluator"])
    assert (shown["decides"], shown["verdict"], shown["rate"]) == (False, "not measured", 0.1)
    assert body["verdict"] == "held"


SAMPLED = {
    "sampled_tp": 788.0, "sampled_fp": 12.0, "sampled_fn": 20.0, "sampled_tn": 180.0,
    "sampled_pass_squares": 3200.0, "sampled_fail_squares": 400.0,
    "locked_tp": 392.0, "locked_fp": 8.0, "locked_fn": 10.0, "locked_tn": 90.0,
    "locked_pass_squares": 1600.0, "locked_fail_squares": 200.0,
    "locked_passes": 103, "locked_failures": 47,
    "judged": 1000, "judged_weight": 1000.0, "judged_weight_passed": 800.0,
}  # fmt: skip
"""A night's sampled labels: a quarter of the answers a judge passed, half of those it failed."""


def build_judged(**labels: Any) -> dict[str, Any]:
    """The body of a night with a judge that passed 800 answers, and its labels."""
    row = make_agreement(197, 10, 3, 90, **labels)
    return build_valid(replace(BASE, rates=[make_rate(800, 200, **JUDGE)], agreement=[row]))


def test_labels_with_a_known_chance_stand_for_all_answers() -> None:
    """TPR and TNR are those of all answers, not of the labels, and give the night's rate."""
    body = build_judged(date=TONIGHT, **SAMPLED)
    row, (agreed,) = find_result(body), body["agreement"]
    assert (agreed["tpr"], agreed["tnr"], agreed["sampled"]) == (0.97524752, 0.9375, True)
    assert (row["estimator"], row["estimate"]) == ("post-stratified", 0.808)
    assert (row["aligned"], [look["at"] for look in agreed["looks"]]) == (True, [40])


def test_labels_of_an_earlier_night_estimate_this_one() -> None:
    """They count for 84 nights, moved by the change of the judge's rate; then not."""
    rows = {
        days: find_result(build_judged(date=TONIGHT - timedelta(days=days), **SAMPLED))
        for days in (5, 83, 84)
    }
    assert [row["estimator"] for row in rows.values()] == [
        "post-stratified-window",
        "post-stratified-window",
        "rogan-gladen",
    ]
    assert rows[5]["estimate"] == 0.808


def test_labels_of_a_queue_that_are_too_few_estimate_no_rate() -> None:
    """Counted as one each they would: a queue prefers failures, and its TPR is too low."""
    few = SAMPLED | {"sampled_fail_squares": 5000.0}
    row = make_agreement(20, 10, 1, 10, date=TONIGHT, **few)
    body = build_valid(replace(BASE, rates=[make_rate(800, 200, **JUDGE)], agreement=[row]))
    assert body["agreement"][0]["sampled"]
    shown = find_result(body)
    assert (shown["estimate"], shown["estimator"]) == (None, "none")


def test_a_row_of_an_older_andon_counts_whole() -> None:
    """Its labels have no split and no chance: each counts as one, all of them in the look."""
    (agreed,) = build_judged()["agreement"]
    assert "sampled" not in agreed
    assert (agreed["looks"][0]["at"], agreed["looks"][0]["tpr"]) == (80, 0.95169082)


def test_a_judge_without_enough_labels_is_told_what_it_needs() -> None:
    """The reason counts the test labels of each class up to the first look."""
    body = build_judged(test_tp=5, test_fn=1, test_fp=1, test_tn=10)
    reason = "watch only: 14 passes and 9 failures still needed in the test labels to measure"
    assert find_result(body)["reason"] == f"{reason} the judge"
    assert body["agreement"][0]["missing"] == {"passes": 14, "failures": 9}


@pytest.mark.parametrize(
    ("nights", "looks"),
    [
        ([(19, 1, 1, 19)], [(20, True)]),
        ([(18, 2, 1, 19)], [(20, False)]),
        ([(19, 0, 0, 100)], []),
        ([(19, 1, 1, 19), (0, 19, 19, 0)], [(20, True)]),
        ([(19, 1, 1, 19), (0, 20, 20, 0)], [(20, True), (40, False)]),
        ([(95, 5, 5, 95)], [(80, True)]),
        ([(190, 10, 10, 190), (0, 500, 500, 0)], [(160, True)]),
    ],
)
def test_a_judge_is_looked_at_four_times_at_most(
    nights: list[tuple[int, int, int, int]], looks: list[tuple[int, bool]]
) -> None:
    """At 20, 40, 80 and 160 labels of the rarer class; a lower bound of .699 is too low."""
    rows = [
        Labelled("d", "e", "v", *cells, date=TONIGHT + timedelta(days=i))
        for i, cells in enumerate(nights)
    ]
    labels = JudgeLabels(tuple(rows))
    assert [(look.at, look.has_passed) for look in labels.looks] == looks
    assert labels.is_aligned is (bool(looks) and looks[-1][1])


def test_the_smallest_drop_that_matters_is_on_the_judges_scale() -> None:
    """A judge shows TPR + TNR - 1 of a true drop; one that does not decide, and a check, all."""
    judged, counted = (
        read_row(Rate, make_rate(90, 10, **kind)) for kind in (JUDGE, {"kind": "assertion"})
    )
    scales = list[float]()
    for cells in ((95, 5, 5, 65), (5, 5, 5, 5)):
        night = replace(
            BASE, rates=[make_rate(90, 10, **JUDGE)], agreement=[make_agreement(*cells)]
        )
        gates = collect_evidence(night).find_gates([judged, counted])
        scales += [gates[row].max_drop / APP.gate.max_drop for row in (judged, counted)]
    assert scales == pytest.approx([0.95 + 65 / 70 - 1, 1, 1, 1])


def test_people_are_the_ceiling_of_a_judge() -> None:
    """Two people who agree on 82% show that a perfect judge agrees with one of them on 90%."""
    (agreed,) = build_judged(pairs=100, pairs_agreed=82, ties=3)["agreement"]
    assert (agreed["people"]["rate"], agreed["people"]["ceiling"]) == (0.82, 0.9)
    assert agreed["ties"] == 3
