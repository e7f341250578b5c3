"""Promises of sections: one module, one line in the list; and of bodies that are read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evals.records import encode_canonical
from evals.reports import json_form, sections
from evals.reports.decide.rows import FailureCount, read_rows
from evals.reports.json_form import Count, absent_if
from evals.reports.pages.night import render_night
from evals.reports.report import Report, build_refused_report, build_report
from evals.reports.schema import make_schema
from evals.reports.section import NightData, Parts, Section
from evals.reports.sections import attacks, provenance, requests, results
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.chat_nights import BASE, PROMPTS, make_rate
from tests.evals.reports.night_rows import report_of


@dataclass(frozen=True)
class Toy:
    """A section of the test alone."""

    failures: Count
    """Failures of a night, counted."""
    rows: Count
    """Results beside them."""
    note: str | None = absent_if(None)


def collect(night: NightData) -> list[FailureCount]:
    """The night's failures."""
    return read_rows(FailureCount, night.read_rows_tonight("rpt_failures"))


def build(rows: list[FailureCount], parts: Parts) -> Toy:
    """Counts them beside the results."""
    return Toy(sum(row.n for row in rows), len(parts[results.SECTION]))


TOY = Section[list[FailureCount], Toy](
    name="toy",
    about="What the test adds.",
    part=Toy,
    collect=collect,
    build=build,
    empty=lambda night: Toy(0, 0, f"refused on {night.date}"),
    default=Toy(0, 0),
    needs=(results.SECTION,),
    shown_if_refused=True,
)


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list with one section more, and a folder with its fragment."""
    monkeypatch.setattr(sections, "SECTIONS", (TOY, *sections.SECTIONS))
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "toy.html").write_text("<h2>Toy: {{ parts.toy.failures }}</h2>\n")
    return tmp_path


FAILED = {"dimension": "d", "evaluator": "e", "status": "error", "code": "timeout", "n": 7}


def test_a_section_in_the_list_is_in_body_schema_and_page(templates: Path) -> None:
    """A module, its fragment and one line in the list are all it takes."""
    report = build_report(replace(BASE, failures=[FAILED]))
    body = report.to_json()
    assert body["toy"] == {"failures": 7, "rows": 1}
    jsonschema.validate(body, make_schema(), jsonschema.Draft202012Validator)
    assert make_schema()["$defs"]["Toy"]["properties"]["failures"]["description"]
    assert Report.from_json(json.loads(json.dumps(body)))[TOY] == Toy(7, 1)
    assert "<h2>Toy: 7</h2>" in render_night(report, history=[], templates=templates)


def test_a_refused_night_has_every_section(templates: Path) -> None:
    """Each is empty in its own way, on the page too where it has a fragment there."""
    report = build_refused_report(replace(BASE, failures=[FAILED]), "Rubbish.")
    assert report.to_json()["toy"] == {"failures": 0, "rows": 0, "note": "refused on 2026-10-08"}
    assert "<h2>Toy: 0</h2>" in render_night(report, history=[], templates=templates)


def test_a_body_from_before_a_section_is_read(templates: Path) -> None:
    """A home's older reports mean what the section's default means."""
    del templates
    assert Report.from_json(bodies.slipped())[TOY] == Toy(0, 0)


def drop_keys(*keys: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Takes keys out of a body."""
    return lambda body: {key: value for key, value in body.items() if key not in keys}


def test_a_body_reads_back_to_the_byte() -> None:
    """What is read and written again is what was written: floats, nulls and absent keys."""
    worse = [make_rate(150, 50, weighted_rate=0.7, weighted_variance=0.001)]
    body = report_of(replace(BASE, rates=worse, cause_rates=PROMPTS, failures=[FAILED])).to_json()
    for one in (body, report_of(BASE).to_json(), build_refused_report(BASE, "Rubbish.").to_json()):
        at_rest = json.loads(json.dumps(one))
        assert encode_canonical(Report.from_json(at_rest).to_json()) == encode_canonical(one)


def test_text_no_library_takes_is_read_and_written() -> None:
    """Half a surrogate pair and an integer beyond 64 bits, as traces hold them."""
    steps = [{"name": "\ud83d", "n": 2**70}]
    body = bodies.slipped() | {"examples": [bodies.example(0, output="\ud800", steps=steps)]}
    (example,) = Report.from_json(body).to_json()["examples"]
    assert (example["output"], example["steps"]) == ("\ud800", steps)


def test_words_of_older_reports_are_read() -> None:
    """A judge that was called gullible is vulnerable now, with the figures it had."""
    row = {"dimension": "d", "evaluator": "e", "evaluator_version": "v", "n": 9, "passed": 8,
           "rate": 0.89, "low": 0.57, "high": 0.98, "limit": 0.3, "reason": "r",
           "families": []}  # fmt: skip
    for was, now in (("firm", "robust"), ("gullible", "vulnerable"), ("robust", "robust")):
        body = bodies.slipped() | {"attacks": [row | {"state": was}]}
        (section,) = Report.from_json(body)[attacks.SECTION]
        assert (section.state, section.n, section.passed) == (now, 9, 8)


def test_fields_added_later_have_defaults() -> None:
    """A body without them is one of before: no attack, no alarm, no pin, nothing pending."""
    body = drop_keys("attacks", "alarms")(bodies.slipped())
    report = Report.from_json(body)
    assert report[attacks.SECTION] == ()
    assert {row.pending for row in report[results.SECTION]} == {0}
    assert report[provenance.SECTION].evaluators[0].pin is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body | {"schema_version": 2}, r"schema_version 2, and 1 was expected.*andon"),
        (drop_keys("results"), r"no `results`: keys are schema_version, date"),
        (drop_keys("gate"), r"Frame has no `gate`"),
        (lambda body: body | {"gate": {"outcome": "pass"}}, r"GateDecision has no `reasons`"),
    ],
)
def test_a_body_of_another_shape_is_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    """The sentence names the key and what was expected."""
    with pytest.raises(ValueError, match=message):
        Report.from_json(change(bodies.slipped()))


def test_dates_and_keys_are_json() -> None:
    """A baseline's days are under `from` and `to` in ISO form."""
    report = report_of(BASE)
    (row,) = report[results.SECTION]
    assert row.baseline
    assert (row.baseline.first, row.baseline.last) == (date(2026, 10, 1), date(2026, 10, 7))
    written = json_form.to_json(row.baseline)
    assert written == {"rate": 0.91, "n": 1400, "from": "2026-10-01", "to": "2026-10-07"}


STATUSES = [{"status": "ok", "n": 17}, {"status": "timeout", "n": 2}, {"status": "cut_off", "n": 1}]


def test_the_share_of_requests_without_an_answer_is_reported() -> None:
    """Overall with its interval and by status, in the body and on the page."""
    report = build_report(replace(BASE, statuses=STATUSES))
    section = report[requests.SECTION]
    assert (section.n, section.unanswered, section.share) == (20, 3, 0.15)
    assert (section.low, section.high) == (0.05236875, 0.36041886)
    assert [(row.status, row.n, row.share) for row in section.by_status] == [
        ("timeout", 2, 0.1),
        ("cut_off", 1, 0.05),
    ]
    html = render_night(report, history=[])
    assert "3 of 20 requests were not answered: 15% (5–36%)" in html
    assert "Timed out" in html


def test_a_night_without_a_failed_request_has_no_section_of_it() -> None:
    """Neither has a report of before there was a count."""
    for report in (build_report(replace(BASE, statuses=STATUSES[:1])), report_of(BASE)):
        assert "not answered" not in render_night(report, history=[])
    old = drop_keys("requests")(report_of(BASE).to_json())
    assert Report.from_json(old)[requests.SECTION].n == 0


def test_a_failing_answer_shows_what_became_of_its_request() -> None:
    """The status is on the page beside the empty answer, and in the body only where it failed."""
    failing = bodies.example(0, output="", status="timeout")
    body = bodies.slipped() | {"examples": [failing, bodies.example(1)]}
    report = Report.from_json(body)
    assert "The request timed out." in render_night(report, history=[])
    assert [row.get("status") for row in report.to_json()["examples"]] == ["timeout", None]


def test_the_guards_decisions_are_compared_with_the_night_and_with_people() -> None:
    """Counts and intervals of what it let through and what it stopped; a guardrail gone is out."""
    from evals.evaluators import resolution
    from evals.reports.decide.rows import GuardCount
    from evals.reports.section import Parts
    from evals.reports.sections import guard
    from evals.specs import App, Catalog, Guardrail

    policy = Guardrail(guardrail="tone", question="q", check="toxicity", action="block")
    rule = resolution.build_guardrail(Catalog(root=Path("catalog")), App(app="a"), policy)
    counts = [
        GuardCount("tone", "passed", "pass", None, 90),
        GuardCount("tone", "passed", "pass", "fail", 3),
        GuardCount("tone", "unchecked", "fail", "pass", 2),
        GuardCount("tone", "stopped", "fail", "pass", 1),
        GuardCount("tone", "stopped", None, "fail", 4),
        GuardCount("tone", "skipped", None, None, 5),
        GuardCount("gone", "stopped", None, None, 5),
    ]
    (row,) = guard.build(guard.Decisions(counts, (rule,)), Parts())
    assert (row.n, row.stopped, row.unchecked, row.skipped) == (100, 5, 2, 5)
    assert (row.missed_by_night.wrong, row.missed_by_night.n) == (2, 95)
    assert (row.missed_by_people.wrong, row.missed_by_people.n) == (3, 5)
    assert (row.stopped_wrongly_by_people.wrong, row.stopped_wrongly_by_people.n) == (1, 5)
    assert (row.stopped_wrongly_by_night.wrong, row.stopped_wrongly_by_night.n) == (0, 1)
    assert row.missed_by_people.low is not None
    assert row.missed_by_people.low < 0.6 < (row.missed_by_people.high or 0)
    assert row.weak
