"""Promises of reports with incidents: verdict, gate, body and page, and what people decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from evals.reports.decide.incidents import Decision
from evals.reports.pages.night import render_night
from evals.reports.report import Report
from evals.reports.sections import incidents
from evals.specs import App, Gate
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


def test_the_first_night_of_a_drop_is_no_page() -> None:
    """It is too close to call, names that another one opens an incident, and the gate is open."""
    body = build_valid(replace(BASE, is_third=False))
    assert body["incidents"]["rows"] == []
    assert body["gate"]["outcome"] == "inconclusive"
    assert (
        find_result(body)["reason"] == "91% → 75% (−16 ± 6); another such night opens an incident"
    )


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
    assert Report.from_json(body)[incidents.SECTION] == incidents.Incidents()


def test_a_decision_counts_from_its_night_on() -> None:
    """One for a later night changes nothing of this one."""
    later = ACCEPTED._replace(night=date(2026, 10, 9))
    (row,) = build_valid(replace(BASE, incident_decisions=[later]))["incidents"]["rows"]
    assert "done" not in row
