"""Which judges decide: those whose verdicts agree with people's labels."""

from __future__ import annotations

from dataclasses import replace

from tests.evals.reports.chat_nights import (
    BASE,
    JUDGE,
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
        "the judge is not aligned with human labels yet: TPR 50%, TNR 33% on 60 labels"
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
    assert (
        find_result(build_valid(replace(night, labels_random=True)))["estimator"]
        == "post-stratified"
    )


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
