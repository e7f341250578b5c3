"""Promises of the report's slices: which are confirmed, and what the page shows of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evals.reports.pages.night import render_night
from evals.reports.pages.slice import list_shown, render_slice
from evals.reports.pages.trace_links import assume_page
from evals.reports.redact_text import redact_reports
from evals.reports.report import Report, load_schema
from evals.reports.sections import slices
from evals.reports.slice_rates import SliceNights, list_confirmed
from evals.slices.findings import Finding, NightCount, SliceSearch, Term
from evals.slices.traces_table import Scored
from evals.statistics import Proportion
from evals.storage.lake import Lake
from evals.storage.report_files import write_report
from tests.evals.reports.chat_nights import BASE, TONIGHT, make_rate
from tests.evals.reports.night_rows import build, report_of

WHOLE = make_rate(1520, 480)
SCORED = Scored(WHOLE["dimension"], WHOLE["evaluator"], WHOLE["evaluator_version"])
HOSTILE = "<script>alert(1)</script>"


EXAMPLE = {
    "trace_id": "t-1", "ts": None, "input": HOSTILE, "context": None, "output": "no",
    "model": "m", "prompt_version": None, "session_id": None, "source_file": None,
    "source_line": None, "status": "ok", "dimension": SCORED.dimension,
    "evaluator": SCORED.evaluator, "verdict": "fail", "explanation": "wrong", "steps": (),
}  # fmt: skip
"""A failing answer."""


def make_finding(p: float, name: str = "de", **other: Any) -> Finding:
    """A slice that passes 20 of 60, beside 740 of 940."""
    fields: dict[str, Any] = {
        "scored": SCORED, "terms": (Term("language", name, f"language = '{name}'"),), "p": p,
        "part": Proportion(20, 60), "rest": Proportion(740, 940), "parent": "all",
        "around": Proportion(760, 1000), "size": 118, "share": 0.059, "is_weighted": False,
        "line": "- {slice: language-de, where: language = 'de'}",
    }  # fmt: skip
    return Finding(**fields | other)


def confirm(*findings: Finding, before: int = 0, **other: Any) -> list[dict[str, Any]]:
    """The slices of a night's report."""
    search = SliceSearch(findings, (TONIGHT,), before)
    body = build(replace(BASE, rates=[WHOLE], slice_search=search, **other))
    jsonschema.validate(body, load_schema())
    return body["slices"]


def test_a_confirmed_slice_has_its_excess_over_its_parent() -> None:
    """Rates are of the half that confirms, with an interval; the excess is over the parent."""
    (row,) = confirm(make_finding(1e-6))
    assert (row["slice"], row["n"], row["rate"]) == ("language=de", 60, pytest.approx(1 / 3))
    assert row["low"] < row["rate"] < row["high"]
    assert row["excess"] == pytest.approx(0.76 - 1 / 3)
    assert (row["rest_rate"], row["rest_n"]) == (pytest.approx(740 / 940), 940)


def test_a_night_has_a_ninetieth_of_the_error_rate() -> None:
    """One night confirms at .05/90, and one after a confirmed slice at twice that."""
    (row,) = confirm(make_finding(5e-4))
    assert row["level"] == pytest.approx(0.05 / 90, abs=1e-7)
    assert confirm(make_finding(9e-4)) == []
    assert len(confirm(make_finding(9e-4), before=1)) == 1
    assert len(confirm(make_finding(0.04), before=500)) == 1
    assert confirm(make_finding(0.06), before=500) == []


def test_every_proposed_slice_counts_against_the_others() -> None:
    """Of three proposed slices each needs a third of the level."""
    findings = [make_finding(4e-4, name) for name in ("de", "fr", "pl")]
    assert confirm(*findings) == []
    assert len(confirm(*(replace(one, p=1e-4) for one in findings))) == 3


def test_an_evaluator_that_does_not_decide_has_no_slices() -> None:
    """Its slices count neither as confirmed nor against the others."""
    other = replace(make_finding(4e-4), scored=Scored("tone", "judge", "v9"))
    assert len(confirm(make_finding(4e-4), other)) == 1


def render_found(report: Report) -> str:
    """The page of the only slice that a report has."""
    nights = SliceNights([report])
    (shown,) = list_shown(nights, list_confirmed([report]))
    return render_slice(shown, nights, assume_page)


def test_the_page_answers_what_a_slice_is() -> None:
    """Definition, size, complement, nights, words, answers, and the line that keeps it."""
    found = make_finding(
        1e-6,
        HOSTILE,
        keywords=("zoll", HOSTILE),
        nights=tuple(NightCount(TONIGHT - timedelta(days=n), 20, 7) for n in (2, 1, 0)),
        examples=(EXAMPLE,),
        line=f"- {{slice: x, where: 'a = ''{HOSTILE}'''}}",
    )
    search = SliceSearch((found,), (TONIGHT,), 0)
    report = report_of(replace(BASE, rates=[WHOLE], slice_search=search))
    html = render_found(report)
    for words in ("118 answers of one night, 6% of all", "79% of 940 others", "zoll", "slices.yaml",
                  "three nights to 8 October", "- {slice: x, where: ",
                  "first confirmed on 8 October 2026."):  # fmt: skip
        assert words in html
    assert HOSTILE not in html + render_night(report, history=[])


def test_the_text_of_a_trace_to_forget_leaves_its_slices(tmp_path: Path) -> None:
    """An example of a slice is redacted in body and page, as answers to read are."""
    example = {**EXAMPLE, "input": "Ann lives here"}
    search = SliceSearch((make_finding(1e-6, examples=(example,)),), (TONIGHT,), 0)
    report = report_of(replace(BASE, rates=[WHOLE], slice_search=search))
    lake = Lake(tmp_path).open()
    folder = write_report(lake, TONIGHT, report.to_json(), render_night(report, history=[]), {})
    assert redact_reports(lake, lambda one: one.trace_id == "t-1", "[forgotten]") == [folder]
    (page,) = (tmp_path / "reports" / "slices").rglob("[!i]*.html")
    texts = [page.read_text("utf-8"), (folder / "report.json").read_text("utf-8")]
    assert all("Ann lives" not in text and "[forgotten]" in text for text in texts)
    assert "Ann lives" not in (folder / "index.html").read_text("utf-8")
    assert redact_reports(lake, lambda one: one.trace_id == "t-1", "[forgotten]") == []


def test_a_report_from_before_is_read() -> None:
    """A row without the new keys has their defaults, and is none that a search confirmed."""
    old = {"dimension": "d", "evaluator": "e", "slice": "a=b", "n": 45, "rate": 0.4, "low": 0.3,
           "high": 0.5, "parent_rate": 0.7, "excess": 0.3, "q": 0.01}  # fmt: skip
    report = report_of(BASE)
    body = report.to_json() | {"slices": [old]}
    (row,) = type(report).from_json(body)[slices.SECTION]
    assert (row.terms, row.line) == ((), "")
