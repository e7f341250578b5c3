"""Promises of the pages beside the nights: incidents, evaluators, and what judging cost."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals.reports import board_pages
from evals.reports.outlook import Trend, find_day, find_trend, sum_spending
from evals.reports.pages.cost import render_cost
from evals.reports.pages.evaluator import locate_evaluator, render_evaluator
from evals.reports.pages.incident import list_incidents, locate_incident, render_incident
from evals.specs import Budget, Catalog, ModelPin
from evals.storage.lake import Lake
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page, follow_links, read_heading
from tests.evals.reports.test_board import store

NIGHT = date(2026, 10, 8)
PRICES = [
    {"since": "2025-10-08", "input": 4, "output": 16},
    {"since": "2026-10-08", "input": 2, "output": 8},
]
PIN = ModelPin.model_validate({"name": "m", "model": "m-2026-01-01", "prices": PRICES})
BUDGETS: dict[str | None, Budget] = {None: Budget(usd_per_day=1.0)}


def involve(dimension: str = "title", **more: Any) -> dict[str, Any]:
    """A rate that fell in an incident."""
    rate = {"dimension": dimension, "evaluator": f"a.{dimension}", "before": 0.94, "after": 0.74}
    return {**rate, "nights": 3, "from": "2026-10-06"} | more


def happen(**more: Any) -> dict[str, Any]:
    """An incident of three nights."""
    row = {"name": "a-2026-10-06", "state": "ongoing", "decides": True, "from": "2026-10-06"}
    row |= {"to": "2026-10-08", "opened": "2026-10-07", "rates": [involve()]}
    return {"rows": [row | {"owner": "team:catalog"} | more]}


def tell(*later: dict[str, Any], **more: Any) -> str:
    """The page of an incident of an application with eight nights."""
    nights = [bodies.typed(one) for one in bodies.nights(8, "a", drop=2)]
    last = bodies.sealed(bodies.nights(8, "a", drop=2)[-1] | {"incidents": happen(**more)})
    reports = [*nights[:-1], bodies.typed(last), *map(bodies.typed, later)]
    (found,) = list_incidents(reports).values()
    return render_incident(found, reports)


def judged(**more: Any) -> dict[str, Any]:
    """A night of which a judge saw a quarter, for a dollar."""
    row = bodies.result("tone", 45, 5, kind="judge", evaluator="polite", unsampled=150)
    stamp = {"name": "polite", "version": "0" * 16, "kind": "judge", "model": "m-2026-01-01"}
    origin = {"evaluators": [stamp], "traces": {}, "baseline": []}
    spent = {"usd": 1.0, "calls": 50, "tokens_in": 9, "tokens_out": 9}
    return bodies.night(**{"results": [row], "cost": spent, "provenance": origin} | more)


def test_an_incident_begins_with_what_fell_since_when_and_whose_it_is() -> None:
    """Its first line has all of it; chart, nights, answers and the next command follow."""
    page = tell(rates=[involve(), involve("price")])
    assert read_heading(page) == (
        "Title and price have failed more since 6 October 2026, open for three nights; "
        "owner team catalog."
    )
    words = Page(page).words
    assert "andon incident accept a-2026-10-06 --by NAME --reason TEXT" in words
    assert "94% before, 74% since 6 October 2026" in words
    assert words.count("October 2026: Slipped:") == 3
    assert any("2026-10-08/a/failing/title-1.html" in link for link in Page(page).links)


def test_an_incident_whose_rates_are_no_longer_measured_is_not_open() -> None:
    """Where the last report lacks it, the page names since when, and offers nothing to accept."""
    page = tell(bodies.night("2026-10-09", app="a"))
    assert read_heading(page) == (
        "Title has failed more since 6 October 2026, for three nights; "
        "none of it is measured since 9 October 2026."
    )
    assert "andon incident accept" not in Page(page).words


def test_an_incident_that_ended_explains_how() -> None:
    """Who accepted it, and why, is on its page as text, and nothing is asked of anybody."""
    done = {
        "action": "accept",
        "by": "Ann",
        "reason": "a <b>wanted</b> tone",
        "night": "2026-10-08",
    }
    page = tell(state="accepted", done=[done])
    assert "accepted on 8 October 2026." in read_heading(page)
    assert "Accepted by Ann from 8 October 2026 on: a <b>wanted</b> tone" in Page(page).words
    assert "incident accept" not in page


def test_the_pages_beside_a_board_are_linked_and_whole(tmp_path: Path) -> None:
    """Board, incidents, evaluators and costs lead to each other, and to nothing that is missing."""
    lake = Lake(tmp_path).open()
    nights = bodies.nights(8, "a", drop=2)
    nights[-1] = bodies.sealed(nights[-1] | {"incidents": happen()})
    store(lake, *nights, judged(app="b", date="2026-10-08"))
    catalog = Catalog(root=Path(), models={"m": PIN})
    board_pages.write_cost(lake, catalog)
    page = board_pages.write_board(lake)
    crawl = follow_links(page)
    names = {path.relative_to(tmp_path / "reports").as_posix() for path in crawl.reached}
    assert {"cost.html", "incidents/a-2026-10-06.html", "evaluators/b/polite.html"} <= names
    assert crawl.broken == set()
    assert "a-2026-10-06: open; 6 Oct to 8 Oct" in Page(page.read_text()).words
    made = (tmp_path / "reports" / "incidents" / "a-2026-10-06.html").stat().st_ino
    board_pages.write_board(lake)
    assert (tmp_path / "reports" / "incidents" / "a-2026-10-06.html").stat().st_ino == made


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a\n", "x" * 65])
def test_a_name_that_is_not_plain_has_no_page_of_its_name(name: str) -> None:
    """Nothing below the reports is named by a text that climbs or is no name."""
    assert locate_incident(name) is None
    assert locate_evaluator(name, "e") is None
    href = locate_evaluator("a", name)
    assert href
    assert href.count("/") == 2
    assert len(href) == len("evaluators/a/") + 16 + len(".html")


def test_an_evaluator_begins_with_how_far_people_agree_with_it() -> None:
    """Its first line counts agreement and states whether it decides."""
    row = {"dimension": "tone", "evaluator": "polite", "evaluator_version": "0" * 16, "n": 50,
           "tp": 20, "fn": 5, "fp": 15, "tn": 10, "tpr": 0.8, "tpr_low": 0.6, "tpr_high": 0.92,
           "tnr": 0.4, "tnr_low": 0.2, "tnr_high": 0.6, "usable": False}  # fmt: skip
    reports = [bodies.typed(judged()), bodies.typed(judged(agreement=[row]))]
    assert read_heading(render_evaluator("polite", reports)) == (
        "polite agrees with people on 30 of 50 answers: it passes 80% of what they pass and fails "
        "40% of what they fail; it decides."
    )
    assert "people labelled none" in read_heading(render_evaluator("polite", reports[:1]))
    weighed = bodies.typed(judged(agreement=[row | {"sampled": True}]))
    note = "the agreement is that of all answers, by each label's chance of being asked"
    assert note in Page(render_evaluator("polite", [weighed])).words
    assert note not in Page(render_evaluator("polite", reports)).words


def test_a_judge_of_its_own_family_s_answers_is_marked() -> None:
    """The page of a judge counts the answers that a model of its own family wrote."""
    stamp = {"name": "polite", "version": "0" * 16, "kind": "judge", "model": "gpt-4o-2024-08-06"}
    traces = {"model": [{"value": "gpt-5-mini", "n": 1234}, {"value": "claude-opus-4", "n": 9}]}
    origin = {"evaluators": [{**stamp, "own_family": 1234}], "traces": traces, "baseline": []}
    words = Page(render_evaluator("polite", [bodies.typed(judged(provenance=origin))])).words
    assert "1,234 answers of the night came from a model of its own family, GPT" in words
    assert "own family" not in Page(render_evaluator("polite", [bodies.typed(judged())])).words


def test_the_cost_of_everything_is_that_of_what_was_judged_times_its_share() -> None:
    """A dollar for a quarter of the answers is four for all, at ten cents a caught failure each."""
    report = bodies.typed(judged())
    spent = sum_spending([report])
    assert (spent.share, spent.usd_each, spent.usd_all) == (0.25, 0.02, 4.0)
    assert spent.caught == 5
    trend = find_trend([report], {"m": PIN})
    assert trend
    assert trend.factor == pytest.approx(0.5, abs=0.001)
    assert find_trend([report], {"m": PIN.model_copy(update={"model": "other"})}) is None
    page = Page(render_cost([report], {"m": PIN}, BUDGETS))
    assert "fits the budget from 7 October 2028" in page.words
    assert "prices fell 50% a year between 8 October 2025 and 8 October 2026" in page.words
    assert "$0.20" in page.words


@pytest.mark.parametrize(("code", "wanted"), [("budget", 250), ("no-key", 250), ("too-long", 200)])
def test_what_the_budget_stopped_is_no_judged_answer(code: str, wanted: int) -> None:
    """Questions that were due and not asked are in the share judged and in the cost of all."""
    skipped = {"dimension": "tone", "evaluator": "polite", "code": code, "status": "skipped"}
    row = bodies.result("tone", 45, 5, kind="judge", evaluator="polite", unsampled=150) | {
        "skipped": 50, "n": 100}  # fmt: skip
    spent = sum_spending([bodies.typed(judged(results=[row], errors=[skipped | {"count": 50}]))])
    assert (spent.scored, spent.wanted, spent.usd_all) == (50, wanted, 0.02 * wanted)


@pytest.mark.parametrize(
    ("full", "budget", "factor", "fits"),
    [
        (40.0, 40.0, None, NIGHT),
        (40.0, None, 0.5, NIGHT),
        (40.0, 10.0, None, None),
        (40.0, 10.0, 1.0, None),
        (40.0, 0.0, 0.5, None),
        (40.0, 1e-9, 0.99, None),
        (40.0, 20.0, 0.5, date(2027, 10, 9)),
    ],
)
def test_the_day_on_which_everything_fits_the_budget(
    full: float, budget: float | None, factor: float | None, fits: date | None
) -> None:
    """It is now, a day that follows from the trend, or none that the trend supports."""
    trend = None if factor is None else Trend(factor, NIGHT, NIGHT)
    assert find_day(full, budget, trend, NIGHT) == fits


@pytest.mark.parametrize(
    ("budgets", "end", "words"),
    [
        ({None: Budget(usd_per_day=9.0)}, "everything fits the budget.", "cost $4.00 a night"),
        ({}, "the catalog sets no budget.", "cost $4.00 a night."),
        (
            {None: Budget(usd_per_day=9.0), bodies.night()["app"]: Budget(usd_per_day=2.0)},
            "everything fits every budget from 8 October 2027.",
            "everything would cost $4.00 a night; the budget is $2.00 a day",
        ),
        (
            {None: Budget(usd_per_day=9.0, calls_per_day=100)},
            "everything does not come to fit the budget.",
            "It would take 200 calls a night; the budget is 100 a day.",
        ),
        (
            {None: Budget(calls_per_day=200)},
            "everything fits the budget.",
            "It would take 200 calls a night; the budget is 200 a day.",
        ),
    ],
)
def test_everything_fits_where_it_fits_each_budget(
    budgets: dict[str | None, Budget], end: str, words: str
) -> None:
    """An application's own budget and one of calls, which no price changes, count too."""
    page = Page(render_cost([bodies.typed(judged())], {"m": PIN}, budgets))
    assert end in page.words
    assert words in page.words


def test_a_home_without_judges_has_a_page_of_costs() -> None:
    """It states that nothing was judged, and foresees nothing."""
    for reports in ([], [bodies.typed(bodies.night())]):
        page = render_cost(reports, {}, {None: Budget(usd_per_day=10.0)})
        assert "No answer was judged by a model" in read_heading(page)
        assert "Outlook" not in page
