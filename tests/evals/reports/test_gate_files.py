"""Promises of the gate's files: JUnit XML that any parser reads, and Markdown for a CI job."""

from __future__ import annotations

from typing import get_args
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reports.conclusion import Outcome
from evals.reports.pages.gate_markdown import render_gate, render_missing_gate
from evals.reports.pages.junit import render_junit, render_missing
from tests.evals.reports.report_bodies import night, result, sealed, typed
from tests.evals.reports.test_markdown import HOSTILE, MEANING, PARSER, list_types, read_words

ROWS = [
    result("price", 182, 18),
    result("title", 100, 100, verdict="slipped", reason="89% → 50%"),
    result("tone", 9, 3, verdict="too close to call", reason="12 answers; 41 would decide"),
    result("rating", 2, 0, errored=20, verdict="not measured", reason="20 of 22 errored"),
    result("style", 2, 0, verdict="not measured", reason="no baseline yet"),
    result("extra", 1, 9, verdict="slipped", decides=False),
]
INCIDENT = {
    "name": "shop-2026-10-06", "state": "ongoing", "decides": True, "from": "2026-10-06",
    "to": "2026-10-08", "opened": "2026-10-07",
    "rates": [{"dimension": "title", "evaluator": "shop.title", "before": 0.9, "after": 0.5,
               "nights": 3, "from": "2026-10-06"}],
}  # fmt: skip
NIGHT = typed(sealed(night(results=ROWS, incidents={"rows": [INCIDENT]})))
ENDINGS = ("failure", "error", "skipped")
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "property": set[str](),
    "testcase": set(ENDINGS),
    **{ending: set[str]() for ending in ENDINGS},
}
"""The elements of the JUnit schema that CI systems read, and what each may hold."""
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "testcase": {"name", "classname"},
    "property": {"name", "value"},
    "failure": {"message"},
}


def check_schema(document: bytes) -> ElementTree.Element:
    """Parses a document, and checks its elements, their attributes and their counts."""
    root = ElementTree.fromstring(document)  # noqa: S314  Andon wrote it
    for one in root.iter():
        assert {child.tag for child in one} <= CHILDREN[one.tag]
        assert REQUIRED.get(one.tag, set()) <= set(one.keys())
    for suite in (root, *root.iter("testsuite")):
        for counted in ("failures", "errors", "skipped"):
            tag = counted if counted == "skipped" else counted[:-1]
            assert int(suite.attrib[counted]) == sum(1 for _ in suite.iter(tag))
        assert int(suite.attrib["tests"]) == sum(1 for _ in suite.iter("testcase"))
    return root


def read_endings(document: bytes) -> dict[str, str]:
    """Returns how each case ended: the tag within it, or `passed`."""
    cases = check_schema(document).iter("testcase")
    return {case.attrib["name"]: next((one.tag for one in case), "passed") for case in cases}


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_each_row_that_decides_is_a_case(outcome: Outcome) -> None:
    """A slip fails where the gate does, an outage is an error, and what is open is skipped."""
    slip = "failure" if outcome == "regressed" else "skipped"
    whole = {"pass": "passed", "regressed": "failure", "inconclusive": "skipped"}
    assert read_endings(render_junit(NIGHT, outcome)) == {
        "release gate": whole.get(outcome, "error"),
        "price (shop.price)": "passed",
        "title (shop.title)": slip,
        "tone (shop.tone)": "skipped",
        "rating (shop.rating)": "error",
        "style (shop.style)": "skipped",
        "incident shop-2026-10-06": slip,
    }


@given(st.text(alphabet=st.characters()) | st.sampled_from(["\x00\x1b\ufffe\uffff\ud800]]>", "&<"]))
def test_any_text_is_valid_xml(text: str) -> None:
    """Control characters, half surrogates and markup in names and reasons are escaped."""
    rows = [{**ROWS[1], "dimension": text, "evaluator": text, "reason": text}]
    body = night(app=text, sentence=text or "x", results=rows)
    body["gate"] = {"outcome": "regressed", "reasons": [text]}
    root = check_schema(render_junit(typed(body), "regressed"))
    assert [one.tag for one in root.iter()].count("failure") == 2
    check_schema(render_missing(text, None, text))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_becomes_markup_in_a_summary(hostile: str) -> None:
    """Its one link is that of the night's page, whatever names and addresses hold."""
    structures = []
    for name in ("plain name", hostile):
        body = night(app=name, sentence=f"Held: {name}.", results=[{**ROWS[1], "reason": name}])
        text = render_gate(typed(body), "pass", None, f"https://board.example/{name}")
        assert not MEANING.search(read_words(PARSER.parse(text)))
        links = [c.attrs["href"] for t in PARSER.parse(text) for c in t.children or () if c.attrs]
        assert len(links) == 1
        assert str(links[0]).startswith("https://board.example/")
        structures.append(list_types(text))
        structures.append(list_types(render_missing_gate(name, None, name)))
    assert structures[:2] == structures[2:]
