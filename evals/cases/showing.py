"""A run of regression cases as test cases, lines of Markdown and JSON.

The gate of a night, beside which they are shown, is `evals.reports.pages`'.
"""

from __future__ import annotations

from evals.cases.judging import CaseRun, Ending, JudgedCase
from evals.records import Json
from evals.reports.pages.junit import Case as TestCase
from evals.reports.pages.junit import Ending as TestEnding
from evals.reports.pages.markdown_text import quote_code, quote_prose
from evals.specs.cases import Case

TEST_ENDINGS: dict[Ending, TestEnding] = {
    "held": "",
    "regressed": "failure",
    "not judged": "skipped",
    "error": "error",
}
LISTED = 20
"""Cases that a summary lists; JSON and JUnit have all."""


def list_tests(run: CaseRun) -> list[TestCase]:
    """Returns the cases as test cases; one that decides nothing is skipped, not failed."""
    return [
        TestCase(
            f"case {one.case.id} ({one.case.dimension})",
            TEST_ENDINGS[one.ending] if one.decides or one.ending == "held" else "skipped",
            one.words,
            one.case.why,
        )
        for one in run.judged
    ]


def list_lines(run: CaseRun) -> list[str]:
    """Returns a sentence and the cases that did not hold, as Markdown."""
    if not run.judged:
        return []
    open_cases = [one for one in run.judged if one.ending != "held"]
    more = len(open_cases) - LISTED
    return [
        f"**Regression cases**: {quote_prose(run.describe())} (version {quote_code(run.version)})",
        *([""] if open_cases else []),
        *(f"- {describe_markdown(one)}" for one in open_cases[:LISTED]),
        *([f"- and {more} more"] if more > 0 else []),
    ]


def describe_markdown(one: JudgedCase) -> str:
    """Describes a case that did not hold, as Markdown."""
    why = f" People wrote: {quote_prose(one.case.why, 300)}" if one.case.why else ""
    about = f"{quote_code(one.case.id)} {quote_code(one.case.dimension)}"
    return f"{about} {one.ending}: {quote_prose(one.words, 300)}{why}"


def describe_line(one: JudgedCase) -> str:
    """Describes a case in a line of a terminal."""
    words = f": {one.words}" if one.words else ""
    return f"{one.ending:<10} {one.case.id} {one.case.dimension} ({one.case.verdict}){words}"


def to_json(run: CaseRun) -> dict[str, Json]:
    """Returns a run as JSON."""
    cases: list[Json] = [
        {
            "id": one.case.id,
            "trace_id": one.case.origin.trace_id,
            "dimension": one.case.dimension,
            "verdict": one.case.verdict,
            "ending": one.ending,
            "evaluator": one.evaluator,
            "words": one.words,
            "decides": one.decides,
        }
        for one in run.judged
    ]
    return {
        "app": run.app,
        "version": run.version,
        "of": run.of,
        "outcome": run.outcome,
        "sentence": run.describe(),
        "calls": run.calls,
        "usd": run.usd,
        "cases": cases,
    }


def describe_input(case: Case) -> dict[str, Json]:
    """Returns a case's input as a row for a candidate to answer: without the answer it had."""
    messages: list[Json] = list(case.trace.messages)
    while messages and isinstance(messages[-1], dict) and messages[-1].get("role") == "assistant":
        messages.pop()
    row: dict[str, Json] = {
        "trace_id": case.origin.trace_id,
        "app": case.app,
        "input": case.trace.input,
        "context": case.trace.context,
        "messages": messages,
    }
    return {key: value for key, value in row.items() if value not in (None, [], "")}
