"""One night of one application as a report: rates, verdicts, causes and their evidence.

Pure: the same inputs give the same bytes, whatever the order of rows. Pages are rendered elsewhere.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from evals import causes
from evals.causes import Row, percent
from evals.records import digest
from evals.specs import App, Dimension, Evaluator, Gate
from evals.statistics import (
    Agreement,
    Estimate,
    Proportion,
    benjamini_hochberg,
    critical,
    difference,
    effective_n,
    holm,
    mde,
    needed_n,
    post_stratified,
    rogan_gladen,
    slice_test,
)

SCHEMA_VERSION = 1
ERRORED = 0.2
"""Above this share of errored rows an evaluator says nothing about the application."""
SMALLEST_SLICE = 20
FALSE_DISCOVERIES = 0.05
WORST_FIRST = ("slipped", "too close to call", "held", "not measured")
COUNTS = ("n", "passed", "failed", "errored", "skipped")

Body = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Night:
    """What a report is built from: rows of the marts, and the specs that explain them."""

    date: date
    app: App
    suite: str | None
    rates: Sequence[Row]
    """`rpt_rates` of this night."""
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    """In the suite's order, which is the report's."""
    evaluators: Sequence[Evaluator] = ()
    history: Sequence[Row] = ()
    """`rpt_rates`, slice `all`, of the earlier nights in the baseline window."""
    versions: Mapping[date, str] = field(default_factory=dict)
    """The report version of each of those nights."""
    provenance: Sequence[Row] = ()
    history_provenance: Sequence[Row] = ()
    cause_rates: Sequence[Row] = ()
    """`rpt_cause_rates` of this night and of the baseline's."""
    agreement: Sequence[Row] = ()
    labels_random: bool = False
    """Whether the labels are a random sample of this night: then estimates are post-stratified."""
    failures: Sequence[Row] = ()
    coverage: Sequence[Row] = ()
    """dimension, evaluator, evaluator_version, covered, sampled."""
    accounting: Mapping[str, Any] = field(default_factory=dict)
    examples: Sequence[Row] = ()
    """Answers to read, in the order a person should read them."""
    cost: Mapping[str, Any] = field(default_factory=dict)
    demo: bool = False


def build(night: Night) -> Body:
    """The report's body with its version."""
    results = measured(night)
    compare(night, results)
    decide(night, results)
    found = explained(night, results)
    deciding = [row for row in results if row["decides"]]
    verdict = min(
        (row["verdict"] for row in deciding), key=WORST_FIRST.index, default="not measured"
    )
    body = frame(night.date, night.app, night.suite, night.demo) | {
        "verdict": verdict,
        "sentence": sentence(verdict, deciding, found, night.app.gate),
        "gate": gate(verdict, deciding),
        "results": results,
        "changes": changes(results),
        "causes": found,
        "slices": worst_slices(night.rates, results),
        "examples": [dict(example) for example in night.examples],
        "agreement": agreement_rows(night, results),
        "errors": errors(night.failures),
        "accounting": accounting(night.accounting),
        "provenance": provenance(night),
        "cost": spent(night.cost),
    }
    return sealed(body)


def refused(
    day: date,
    app: App,
    *,
    reason: str,
    accounted: Mapping[str, Any],
    limit: float,
    suite: str | None = None,
    demo: bool = False,
) -> Body:
    """The body of a night that was refused at the door: nothing measured, and why.

    Args:
        day: the night.
        app: the application.
        reason: one sentence.
        accounted: what was read and quarantined, as in `Night.accounting`.
        limit: the share of quarantined rows that was allowed.
        suite: the application's suite, if it has one.
        demo: whether this is the demo's data.
    """
    counts = accounting(accounted)
    refusal = {
        "reason": reason,
        "read": counts["read"],
        "quarantined": counts["quarantined"],
        "limit": limit,
    }
    empty: Body = {key: [] for key in ("results", "changes", "causes", "slices", "examples")}
    body = frame(day, app, suite, demo) | empty
    body |= {
        "status": "refused",
        "refusal": refusal,
        "verdict": "not measured",
        "sentence": f"Not measured: the night was refused. {reason}",
        "gate": {"outcome": "infrastructure", "reasons": [reason]},
        "agreement": [],
        "errors": [],
        "accounting": counts,
        "provenance": {"evaluators": [], "traces": {}, "baseline": []},
        "cost": spent({}),
    }
    return sealed(body)


@functools.lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The JSON Schema of a report's body."""
    text = importlib.resources.files("evals").joinpath("report.schema.json").read_text("utf-8")
    return json.loads(text)


def frame(day: date, app: App, suite: str | None, demo: bool) -> Body:
    """What every body begins with."""
    return {
        "schema_version": SCHEMA_VERSION,
        "date": day.isoformat(),
        "app": app.app,
        "title": app.title or app.app,
        "demo": demo,
        "status": "reported",
        "refusal": None,
        "suite": suite,
    }


def sealed(body: Body) -> Body:
    """The body with its version: the digest of everything else."""
    return body | {"version": digest(body)}


def tidy(value: float | None) -> float | None:
    """A figure without the noise of floating point, so that sums in any order hash alike."""
    return None if value is None else round(value, 8) + 0.0


def identity(row: Row) -> tuple[str, str, str]:
    """Dimension, evaluator and evaluator version."""
    return (row["dimension"], row["evaluator"], row["evaluator_version"])


def pair(row: Row) -> Key:
    """Dimension and evaluator."""
    return (row["dimension"], row["evaluator"])


def proportion(rows: Sequence[Row]) -> Proportion:
    """Nights pooled: each night's conversations vary about that night's own rate."""
    passed = sum(int(row["passed"]) for row in rows)
    n = passed + sum(int(row["failed"]) for row in rows)
    clustered = [row for row in rows if row.get("sessions") and row.get("session_ss") is not None]
    if len(clustered) < sum(1 for row in rows if row["passed"] or row["failed"]):
        return Proportion(passed, n)
    clusters = sum(int(row["sessions"]) for row in clustered)
    square = math.fsum(float(row["session_ss"]) for row in clustered)
    return Proportion(passed, n, effective_n(passed, n, clusters, square))


# ── measuring ──────────────────────────────────────────────────────────────────────────────────
