"""The nights of one application that the tests of reports build on.

The `NightData` itself is in `night_rows`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import jsonschema

from evals.records import digest
from evals.reports.decide.rows import Paid
from evals.reports.report import load_schema
from evals.reports.row_counts import Accounting, ReasonCount
from evals.specs import App, Dimension
from tests.evals.reports.night_rows import Night, build

TONIGHT = date(2026, 10, 8)
APP = App(app="chat", title="Chat", suite="chat")
Row = dict[str, Any]


def make_rate(passed: int, failed: int, **changes: Any) -> Row:
    """A row of rpt_rates with each trace its own session."""
    n = passed + failed
    row = {
        "date": TONIGHT,
        "app": "chat",
        "dimension": "over-refusal",
        "evaluator": "chat.over-refusal",
        "evaluator_version": "v1",
        "kind": "assertion",
        "slice": "all",
        "passed": passed,
        "failed": failed,
        "errored": 0,
        "skipped": 0,
        "sessions": n,
        "session_ss": passed * failed / n if n else 0.0,
    } | changes
    return row | {"n": n + row["errored"] + row["skipped"]}


def make_week(passed: int, failed: int, **changes: Any) -> list[Row]:
    """The seven nights before, alike."""
    nights = [TONIGHT - timedelta(days=d) for d in range(1, 8)]
    return [make_rate(passed, failed, date=night, **changes) for night in nights]


def make_cause(
    field: str, value: str | None, passed: int, failed: int, night: date = TONIGHT
) -> Row:
    """A row of rpt_cause_rates."""
    return {
        "date": night,
        "app": "chat",
        "dimension": "over-refusal",
        "evaluator": "chat.over-refusal",
        "field": field,
        "value": value,
        "passed": passed,
        "failed": failed,
    }


def make_agreement(tp: int, fn: int, fp: int, tn: int, **changes: Any) -> Row:
    """A row of fct_agreement for the judge of the tests."""
    row = make_rate(0, 0, **JUDGE)
    keys = ("dimension", "evaluator", "evaluator_version")
    return {k: row[k] for k in keys} | {"tp": tp, "fn": fn, "fp": fp, "tn": tn} | changes


def make_dimension(name: str = "over-refusal", **changes: Any) -> dict[str, Dimension]:
    """One dimension of the suite."""
    return {name: Dimension(dimension=name, question="Is a safe request answered?", **changes)}


JUDGE = {"dimension": "helpful", "evaluator": "helpfulness", "kind": "judge"}
PROMPTS = [
    *(make_cause("prompt_version", "v2", 50, 5, TONIGHT - timedelta(days=d)) for d in range(1, 8)),
    make_cause("prompt_version", "v3", 150, 50),
]
BASE = Night(
    date=TONIGHT,
    app=APP,
    suite="chat",
    rates=[make_rate(150, 50)],
    dimensions=make_dimension(),
    history=make_week(182, 18),
    is_third=True,
    versions={TONIGHT - timedelta(days=1): "0123456789abcdef"},
    cause_rates=PROMPTS,
    provenance=[
        {"field": "model", "value": "m-1", "n": 120},
        {"field": "model", "value": None, "n": 80},
    ],
    history_provenance=[
        {"date": TONIGHT - timedelta(days=d), "field": "model", "value": value, "n": n}
        for d in range(1, 8)
        for value, n in (("m-1", 118), (None, 82))
    ],
    accounting=Accounting(
        read=210,
        accepted=200,
        duplicate=4,
        quarantined=6,
        reasons=(ReasonCount("not-json", 6),),
    ),
    cost=Paid(usd=0.1, calls=3, tokens_in=10, tokens_out=4),
)


def build_valid(night: Night) -> dict[str, Any]:
    """The body, valid by the published schema and sealed by its own digest."""
    body = build(night)
    jsonschema.validate(body, load_schema(), jsonschema.Draft202012Validator)
    assert body["version"] == digest({k: v for k, v in body.items() if k != "version"})
    return body


def find_result(body: dict[str, Any], **match: Any) -> Row:
    """The one result that matches."""
    matches = [r for r in body["results"] if all(r[k] == v for k, v in match.items())]
    assert len(matches) == 1
    return matches[0]
