"""Promises of reports with incidents: verdict, gate, body and page, and what people decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from evals.reports.decide.incident_records import Decision
from evals.reports.incident_rows import Incidents
from evals.reports.pages.night import render_night
from evals.reports.report import Report
from evals.reports.sections import incidents
from evals.specs import App, Evaluator, Gate
from tests.evals.reports.chat_nights import (
    BASE,
    TONIGHT,
    build_valid,
    find_result,
    make_dimension,
    make_rate,
    make_week,
)
from tests.evals.reports.night_rows import report_of
from tests.evals.reports.report_bodies import example

NAME = "chat-2026-10-06"
ACCEPTED = Decision(NAME, TONIGHT, "accept", "Ann", "a <b>wanted</b> tone")


def test_a_drop_of_three_nights_is_an_incident() -> None:
    """Body, verdict and gate have it, from its first night on, with owner and rates."""
    app = BASE.app.model_copy(update={"owner": "team:chat"})
    body = build_valid(replace(BASE, app=app))
    (row,) = body["incidents"]["rows"]
    assert (row["name"], row["from"], row["to"]) == (NAME, "2026-10-06", "2026-10-08")
    assert (row["decides"], row["owner"]) == (True, "team:chat")
    assert row["rates"][0]["before"] == pytest.approx(0.91, abs=0.01)
    assert row["rates"][0]["after"] == pytest.approx(0.75, abs=0.01)
    assert (body["verdict"], body["gate"]["outcome"]) == ("slipped", "regressed")


def test_answers_to_read_are_of_what_fell_first() -> None:
    """Answers of a dimension that did not fall come after them, each answer once."""
    other = [example(i, dimension="tone") for i in range(5)]
    fallen = [example(i, dimension="over-refusal") for i in (0, 7, 8)]
    body = build_valid(replace(BASE, examples=[*other, *fallen]))
    read = [(row["trace_id"][-1], row["dimension"]) for row in body["examples"]]
    assert read == [*((n, "over-refusal") for n in "078"), *((n, "tone") for n in "12")]


def test_the_first_night_of_a_drop_is_no_page() -> None:
    """It is too close to call, names that another one can open an incident; the gate is open."""
    body = build_valid(replace(BASE, is_third=False))
    assert body["incidents"]["rows"] == []
    assert body["gate"]["outcome"] == "inconclusive"
    reason = find_result(body)["reason"]
    assert reason == "91% → 75% (−16 ± 6); another such night can open an incident"


@pytest.mark.parametrize(("target", "verdict"), [(0.85, "slipped"), (0.8, "too close to call")])
def test_a_target_decides_beside_a_baseline(target: float, verdict: str) -> None:
    """An interval wholly below the target is a slip on the first night; one that has it is none."""
    night = replace(BASE, is_third=False, dimensions=make_dimension(target=target))
    row = find_result(build_valid(night))
    assert row["verdict"] == verdict
    assert ("below its target of 85%" in row["reason"]) == (verdict == "slipped")


def test_an_accepted_incident_frees_the_gate() -> None:
    """The night a person accepted it on does not slip; name and reason are in body and page."""
    night = replace(BASE, incident_decisions=[ACCEPTED])
    body = build_valid(night)
    (row,) = body["incidents"]["rows"]
    assert row["state"] == "accepted"
    assert row["done"] == [
        {"action": "accept", "by": "Ann", "reason": ACCEPTED.reason, "night": "2026-10-08"}
    ]
    assert body["gate"]["outcome"] != "regressed"
    html = render_night(report_of(night), history=[])
    assert "a &lt;b&gt;wanted&lt;/b&gt; tone" in html
    assert "Accepted by" in html


def test_an_open_incident_fails_a_night_that_measures_nothing() -> None:
    """A night whose rows all errored slips as long as the incident is open."""
    broken = make_rate(0, 0, errored=200)
    body = build_valid(replace(BASE, rates=[make_rate(150, 50)]))
    assert body["verdict"] == "slipped"
    earlier = [make_rate(150, 50, date=TONIGHT - timedelta(days=d)) for d in (1, 2)]
    history = [*(r | {"date": r["date"] - timedelta(days=2)} for r in make_week(182, 18)), *earlier]
    night = replace(BASE, is_third=False, rates=[broken], history=history)
    body = build_valid(night)
    assert find_result(body)["verdict"] == "not measured"
    assert (body["verdict"], body["gate"]["outcome"]) == ("slipped", "regressed")
    assert body["sentence"] == "Slipped: over-refusal since 6 Oct, ongoing."


def test_a_rate_that_may_not_decide_opens_no_gate() -> None:
    """Its incident is shown and does not count."""
    body = build_valid(replace(BASE, dimensions=make_dimension(gate=False)))
    (row,) = body["incidents"]["rows"]
    assert not row["decides"]
    assert body["gate"]["outcome"] == "inconclusive"
    html = render_night(Report.from_json(body), history=[])
    assert "not gating" in html
    assert "The gate is regressed" not in html


def test_a_drop_smaller_than_the_margin_opens_nothing() -> None:
    """Nights of 100,000 that surely fall by one point are within a margin of five."""
    night = replace(BASE, rates=[make_rate(90_000, 10_000)], history=make_week(91_000, 9_000))
    assert build_valid(night)["incidents"]["rows"] == []
    app = App(app="chat", suite="chat", gate=Gate(max_drop=0.002))
    wide = replace(night, rates=[make_rate(70_000, 30_000)], app=app)
    assert build_valid(wide)["incidents"]["rows"]


def test_a_series_names_what_it_can_find() -> None:
    """More answers find a smaller drop, and the page has it."""
    few, many = (
        build_valid(
            replace(BASE, rates=[make_rate(91 * n, 9 * n)], history=make_week(91 * n, 9 * n))
        )
        for n in (1, 20)
    )
    (small,), (large,) = few["incidents"]["series"], many["incidents"]["series"]
    assert 0 < large["finds"] < small["finds"] < 0.5
    assert (small["nights"], few["incidents"]["nights"]) == (7, 10)
    assert "points within five nights" in render_night(Report.from_json(few), history=[])


def test_a_body_of_before_has_no_incidents() -> None:
    """A stored report without the key is read as one without incidents."""
    body: dict[str, Any] = build_valid(BASE)
    del body["incidents"]
    assert Report.from_json(body)[incidents.SECTION] == Incidents()


def test_a_decision_counts_from_its_night_on() -> None:
    """One for a later night changes nothing of this one."""
    later = ACCEPTED._replace(night=date(2026, 10, 9))
    (row,) = build_valid(replace(BASE, incident_decisions=[later]))["incidents"]["rows"]
    assert "done" not in row


DECLARED = make_dimension(slices={"long": {}})
LONG = {"slice": "long"}
CHECK = Evaluator(
    name="chat.over-refusal", app="chat", dimension="over-refusal", question="?",
    kind="assertion", check="contains", version="v1",
)  # fmt: skip


def make_sliced(*tonight: dict[str, Any], **changes: Any) -> Any:
    """A night whose whole is as ever, after a week of 100 answers of the declared slice a night."""
    history = [*make_week(182, 18), *make_week(91, 9, **LONG)]
    night = replace(BASE, rates=[make_rate(182, 18), *tonight], history=history)
    return replace(night, dimensions=DECLARED, evaluators=[CHECK], **changes)


def test_a_declared_slice_has_a_memory() -> None:
    """A drop of it alone is an incident after three nights, in body, sentence, gate and page."""
    night = make_sliced(make_rate(55, 45, **LONG))
    body = build_valid(night)
    (row,) = body["incidents"]["rows"]
    assert [one["slice"] for one in row["rates"]] == ["long"]
    assert (row["decides"], row["from"]) == (True, "2026-10-06")
    assert {one.get("slice", "all") for one in body["incidents"]["series"]} == {"all", "long"}
    assert body["gate"]["outcome"] == "regressed"
    assert body["sentence"].startswith("Slipped: over-refusal on long 91% → 55%")
    html = render_night(report_of(night), history=[])
    assert "<bdi>over-refusal on long</bdi>" in html
    assert "What fell" in html or "over-refusal on long: 91% before" in html


def test_a_declared_slice_is_remembered_without_traces() -> None:
    """On a night without any its row shows that, and an incident of it stays open."""
    fallen = [make_rate(55, 45, date=TONIGHT - timedelta(days=d), **LONG) for d in (1, 2, 3)]
    night = make_sliced(is_third=False)
    first = TONIGHT - timedelta(days=3)
    history = [row for row in night.history if row["slice"] == "all" or row["date"] < first]
    body = build_valid(replace(night, history=[*history, *fallen]))
    row = find_result(body, slice="long")
    assert (row["n"], row["verdict"]) == (0, "not measured")
    assert row["reason"] == "no trace of the slice to evaluate"
    assert [one["state"] for one in body["incidents"]["rows"]] == ["ongoing"]
    assert body["gate"]["outcome"] == "regressed"
    calm = build_valid(make_sliced(is_third=False))
    assert calm["gate"]["outcome"] == "pass"
    assert "over-refusal on long" in calm["gate"]["reasons"][0]


def test_a_slice_that_does_not_decide_has_no_series() -> None:
    """A drop of a slice that the suite does not name opens nothing."""
    night = make_sliced(make_rate(55, 45, **LONG))
    body = build_valid(replace(night, dimensions=make_dimension()))
    assert body["incidents"]["rows"] == []
    assert len(body["incidents"]["series"]) == 1


@pytest.mark.parametrize(
    ("own", "failed", "verdict"),
    [({}, 9, "too close to call"), ({}, 10, "slipped"), ({"min_answers": 5}, 5, "slipped")],
)
def test_a_target_needs_answers(own: dict[str, Any], failed: int, verdict: str) -> None:
    """Fewer failing answers than the minimum are no slip, and the reason names it."""
    dimensions = make_dimension(target=0.8, **own)
    night = replace(BASE, is_third=False, history=[], dimensions=dimensions)
    row = find_result(build_valid(replace(night, rates=[make_rate(0, failed)])))
    assert row["verdict"] == verdict
    assert ("9 answers; a target needs 10" in row["reason"]) == (failed == 9)


def test_one_session_does_not_count_answers_that_would_decide() -> None:
    """However many answers of it fail, the reason asks for other sessions, not for more of it."""
    night = replace(BASE, is_third=False, rates=[make_rate(0, 100, sessions=1, session_ss=0.0)])
    row = find_result(build_valid(night))
    assert row["verdict"] == "too close to call"
    assert row["reason"] == "all 100 answers are of one session; those of others would decide"
