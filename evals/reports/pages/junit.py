"""The gate of a night as JUnit XML, which CI systems show as tests: one case a row that decides.

A slip is a failure, an outage an error; what is not decided or not measured is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from evals.readable import escape_char, make_readable
from evals.reports.conclusion import Outcome
from evals.reports.decide.coverage import has_outage
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import incidents, results

NO_CHARACTER = re.compile("[\ufffe\uffff]")
"""What XML forbids beside what `make_readable` escapes."""
Ending = Literal["", "failure", "error", "skipped"]
GATE_ENDINGS: dict[Outcome, Ending] = {
    "pass": "",
    "regressed": "failure",
    "inconclusive": "skipped",
    "infrastructure": "error",
}


class Case(NamedTuple):
    """A test case."""

    name: str
    ending: Ending
    """Empty: it passed."""
    message: str = ""
    details: str = ""


def render_junit(report: Report, outcome: Outcome, more: Sequence[Case] = ()) -> bytes:
    """Renders the gate of a night.

    Args:
        report: of the night.
        outcome: of the gate; where it is not regressed, as of a provisional night, nothing fails.
        more: cases of the regression set.
    """
    fails = outcome == "regressed"
    details = "\n".join(report.gate.reasons)
    cases = [
        Case("release gate", GATE_ENDINGS[outcome], report.sentence, details),
        *(describe_row(row, fails=fails) for row in report[results.SECTION] if row.decides),
        *describe_incidents(report, fails=fails),
        *more,
    ]
    return render_suite(report.app, report.date.isoformat(), cases, {"version": report.version})


def render_missing(app: str, night: str | None, reason: str) -> bytes:
    """Renders the gate of a night without a report: one error."""
    return render_suite(app, night or "last night", [Case("release gate", "error", reason)], {})


def describe_row(row: Result, *, fails: bool) -> Case:
    """Describes a row that decides as a case."""
    name = f"{row.name} ({row.evaluator})"
    counts = ("passed", "failed", "errored", "skipped")
    details = ", ".join(f"{getattr(row, count)} {count}" for count in counts)
    if row.verdict == "held":
        return Case(name, "")
    if row.verdict == "slipped":
        return Case(name, "failure" if fails else "skipped", row.reason, details)
    is_out = row.verdict == "not measured" and has_outage(row.n - row.skipped, row.errored)
    return Case(name, "error" if is_out else "skipped", f"{row.verdict}: {row.reason}", details)


def describe_incidents(report: Report, *, fails: bool) -> Iterator[Case]:
    """Describes the open incidents that decide as cases."""
    for row in report[incidents.SECTION].list_open():
        names = ", ".join(rate.name for rate in row.rates)
        message = f"{names}: {row.state} since {row.first}"
        yield Case(f"incident {row.name}", "failure" if fails else "skipped", message)


def render_suite(app: str, night: str, cases: Sequence[Case], properties: dict[str, str]) -> bytes:
    """Renders a suite of cases as a document."""
    counts = {"tests": str(len(cases))} | {
        f"{name}s" if name != "skipped" else name: str(sum(one.ending == name for one in cases))
        for name in ("failure", "error", "skipped")
    }
    root = ElementTree.Element("testsuites", {"name": "andon gate", **counts})
    suite = ElementTree.SubElement(root, "testsuite", clean({"name": f"{app} {night}", **counts}))
    if properties:
        shown = ElementTree.SubElement(suite, "properties")
        for name, value in properties.items():
            ElementTree.SubElement(shown, "property", clean({"name": name, "value": value}))
    for one in cases:
        attributes = clean({"classname": app, "name": one.name, "time": "0"})
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if one.ending:
            ending = ElementTree.SubElement(case, one.ending, clean({"message": one.message}))
            ending.text = "\n".join(map(clean_text, one.details.split("\n"))) or None
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def clean(attributes: dict[str, str]) -> dict[str, str]:
    """Returns attributes with characters that XML has."""
    return {name: clean_text(value) for name, value in attributes.items()}


def clean_text(text: str) -> str:
    """Returns a text on one line, with an escape for each character that XML does not have."""
    return NO_CHARACTER.sub(lambda match: escape_char(match[0]), make_readable(text))
