"""One night of one application as a report's body: verdict, gate, causes and their evidence.

Pure: the same inputs give the same bytes, whatever the order of rows. Pages are rendered elsewhere.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from evals.records import digest
from evals.reports import attacks, causes, noise
from evals.reports.accounts import accounting
from evals.reports.alarms import alarms, stamp
from evals.reports.causes import Row
from evals.reports.measurements import (
    Night,
    agreements,
    day,
    identity,
    proportion,
    resistances,
    scored,
    standing,
    tidy,
    weighs,
)
from evals.reports.pooling import pool
from evals.reports.results import NO_BASELINE, Result, broken, results
from evals.specs import App
from evals.statistics import Agreement, Proportion, benjamini_hochberg, slice_test

__all__ = ["Night", "build", "pool", "refused", "schema"]

SCHEMA_VERSION = 1
SMALLEST_SLICE = 20
FALSE_DISCOVERIES = 0.05
SHOWN_SLICES = 20
WORST_FIRST = ("slipped", "too close to call", "held", "not measured")

Body = dict[str, Any]


def build(night: Night) -> Body:
    """The report's body with its version."""
    rows = results(night)
    found = explained(night, rows)
    deciding = [row for row in rows if row["decides"]]
    worst = min((row["verdict"] for row in deciding), key=WORST_FIRST.index, default="not measured")
    return sealed(
        frame(night.date, night.app, night.suite, night.demo)
        | {
            "verdict": worst,
            "sentence": sentence(worst, rows, found),
            "gate": gate(worst, deciding),
            "results": rows,
            "changes": changes(rows),
            "causes": found,
            "slices": worst_slices(night.rates, rows),
            "examples": [dict(example) for example in night.examples],
            "agreement": agreement(night, rows),
            "attacks": attacks.section(resistances(night)),
            "errors": errors(night.failures),
            "alarms": alarms(
                night.evaluators, night.answered, night.answered_before, night.failures
            ),
            "accounting": accounting(night.accounting),
            "provenance": provenance(night),
            "cost": cost(night.cost),
        }
    )


def refused(
    night: date,
    app: App,
    *,
    reason: str,
    counts: Mapping[str, Any],
    limit: float,
    suite: str | None = None,
    demo: bool = False,
) -> Body:
    """The body of a night that was refused at the door: nothing measured, and why.

    Args:
        night: its date.
        app: the application.
        reason: one sentence.
        counts: what was read and quarantined, as `Night.accounting`.
        limit: the share of quarantined rows that was allowed.
        suite: the application's suite, if it has one.
        demo: whether this is the demo's data.
    """
    counts = accounting(counts)
    body = frame(night, app, suite, demo)
    body |= {key: [] for key in ("results", "changes", "causes", "slices", "examples")}
    body |= {
        "status": "refused",
        "refusal": {
            "reason": reason,
            "read": counts["read"],
            "quarantined": counts["quarantined"],
            "limit": limit,
        },
        "verdict": "not measured",
        "sentence": f"Not measured: the night was refused. {reason}",
        "gate": {"outcome": "infrastructure", "reasons": [reason]},
        "agreement": [],
        "attacks": [],
        "errors": [],
        "alarms": [],
        "accounting": counts,
        "provenance": {"evaluators": [], "traces": {}, "baseline": []},
        "cost": cost({}),
    }
    return sealed(body)


@functools.lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The JSON Schema of a report's body."""
    text = (
        importlib.resources.files("evals.reports").joinpath("report.schema.json").read_text("utf-8")
    )
    return json.loads(text)


def frame(night: date, app: App, suite: str | None, demo: bool) -> Body:
    """What every body begins with."""
    return {
        "schema_version": SCHEMA_VERSION,
        "date": night.isoformat(),
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


def same(row: Row, other: Row) -> bool:
    """Whether two rows speak of the same dimension and evaluator."""
    return row["dimension"] == other["dimension"] and row["evaluator"] == other["evaluator"]


def sentence(worst: str, rows: Sequence[Result], found: Sequence[Row]) -> str:
    """The page's first line: the verdict, where, by how much and why."""
    deciding = [row for row in rows if row["decides"]]
    at = [row for row in deciding if row["verdict"] == worst]
    if worst == "slipped":
        at.sort(key=lambda row: row["change"] if row["change"] is not None else 0)
        return f"Slipped: {listed([slip(row, found) for row in at])}."
    if worst == "too close to call":
        return f"Too close to call on {listed([within(row) for row in at])}."
    if worst == "held":
        return held(at, deciding, found)
    return f"Not measured: {unmeasured(rows)}."


def slip(row: Result, found: Sequence[Row]) -> str:
    """One change with its cause, such as `price 91% → 74% (−17 ± 6), prompt v3`."""
    why = causes.in_brief(cause for cause in found if same(cause, row))
    return f"{row['dimension']} {row['reason']}" + (f", {why}" if why else "")


def within(row: Result) -> str:
    """A dimension with its reason behind it."""
    return f"{row['dimension']} ({row['reason']})"


def listed(parts: Sequence[str], most: int = 3) -> str:
    """The first few of a list, and how many more."""
    more = len(parts) - most
    return "; ".join(parts[:most]) + (f"; and {more} more" if more > 0 else "")


def held(at: Sequence[Result], deciding: Sequence[Result], found: Sequence[Row]) -> str:
    """Nothing slipped: on how much, what rose, and what is missing."""
    count = f"all {len(at)} measures" if len(at) > 1 else at[0]["dimension"]
    if len(at) < len(deciding):
        count = f"{len(at)} of {len(deciding)} measures"
    text = f"Held on {count}"
    risen = [slip(row, found) for row in at if row["change_low"] and row["change_low"] > 0]
    if risen:
        text += f"; up: {listed(risen)}"
    missing = [row["dimension"] for row in deciding if row["verdict"] == "not measured"]
    return text + (f"; not measured: {listed(missing)}" if missing else "") + "."


def unmeasured(rows: Sequence[Result]) -> str:
    """Why a night has no verdict at all."""
    whole = [row for row in rows if row["slice"] == "all"]
    if not whole:
        return "no evaluator covers this application's traces"
    silent = [row for row in whole if row["decides"]]
    silent = silent or [row for row in whole if row["verdict"] == "not measured"]
    if not silent:
        return "no evaluator may decide"
    reasons = {row["reason"] for row in silent}
    if reasons == {NO_BASELINE}:
        return "there is no earlier night to compare with yet"
    if len(reasons) == 1:
        return reasons.pop()
    return listed([within(row) for row in silent])


def gate(worst: str, deciding: Sequence[Result]) -> dict[str, Any]:
    """What a release may conclude: a slip outweighs an outage, an outage all the rest."""
    if worst == "slipped":
        outcome = "regressed"
    elif any(broken(row) for row in deciding):
        outcome = "infrastructure"
    else:
        outcome = "pass" if worst == "held" else "inconclusive"
    reasons = [
        f"{row['dimension']} ({row['evaluator']}) {row['verdict']}: {row['reason']}"
        for row in deciding
        if row["verdict"] != "held"
    ]
    if not deciding:
        reasons = ["no evaluator may decide"]
    return {"outcome": outcome, "reasons": reasons}


def clear(row: Result) -> bool:
    """Whether a row that may speak changed beyond its interval."""
    if row["change"] is None or row["verdict"] == "not measured":
        return False
    return row["change_low"] > 0 or row["change_high"] < 0


def changes(rows: Sequence[Result]) -> list[dict[str, Any]]:
    """The rates whose change's interval excludes 0."""
    return [
        {
            **{key: row[key] for key in ("dimension", "evaluator", "slice")},
            "before": row["baseline"]["rate"],
            "after": row.get("weighted", row)["rate"],
            "change": row["change"],
            "low": row["change_low"],
            "high": row["change_high"],
            "p": row["p"],
            "verdict": row["verdict"],
            **({"weighted": True} if "weighted" in row or "weighted" in row["baseline"] else {}),
        }
        for row in rows
        if clear(row)
    ]


def explained(night: Night, rows: Sequence[Result]) -> list[dict[str, Any]]:
    """The candidate causes of each clear change, and of each evaluator that changed itself."""
    found = []
    for row in rows:
        if row["slice"] != "all":
            continue
        past = [r for r in night.history if same(r, row) and day(r) < night.date and scored([r])]
        mine = {day(r) for r in past if identity(r) == identity(row)}
        if clear(row):
            found += causes.explain(row, *sides(night, row, mine))
        elif past and not mine and row["n"]:
            versions = Counter[str]()
            for r in past:
                versions[r["evaluator_version"]] += scored([r])
            found.append(causes.evaluator_changed(row, versions))
    return found


def sides(night: Night, row: Result, dates: set[date]) -> tuple[causes.Fields, causes.Fields]:
    """The provenance fields of a row's baseline and of tonight."""
    rates = [r for r in night.cause_rates if same(r, row)]
    before = causes.fields_of(
        (r for r in rates if day(r) in dates),
        (r for r in night.history_provenance if day(r) in dates),
    )
    after = causes.fields_of((r for r in rates if day(r) == night.date), night.provenance)
    return before, after


def worst_slices(rates: Sequence[Row], rows: Sequence[Result]) -> list[dict[str, Any]]:
    """Slices that fail more than the rest, at a false discovery rate of .05, worst excess first."""
    wholes = {identity(r): r for r in rates if r["slice"] == "all"}
    deciding = {identity(row) for row in rows if row["decides"]}
    tested: list[tuple[Row, Proportion, Proportion, float]] = []
    for row in rates:
        if row["slice"] == "all" or identity(row) not in deciding.intersection(wholes):
            continue
        around = wholes[identity(row)]
        side = standing if weighs(around) and standing(around).weights else counted
        part, whole = side(row), side(around)
        if SMALLEST_SLICE <= part.n < whole.n:
            tested.append((row, part, whole, slice_test(part, whole)))
    qs = benjamini_hochberg([p for *_, p in tested])
    found = [
        {
            **{key: row[key] for key in ("dimension", "evaluator", "slice")},
            "n": part.n,
            "rate": part.rate,
            "low": tidy(part.interval().low),
            "high": tidy(part.interval().high),
            "parent_rate": whole.rate,
            "excess": tidy(whole.rate - part.rate),
            "q": tidy(q),
            **({"weighted": True} if whole.weights else {}),
        }
        for (row, part, whole, _), q in zip(tested, qs, strict=True)
        if q <= FALSE_DISCOVERIES and part.rate < whole.rate
    ]
    found.sort(key=lambda s: (-s["excess"], s["dimension"], s["evaluator"], s["slice"]))
    return found[:SHOWN_SLICES]


def counted(row: Row) -> Proportion:
    """A row's rate as it was counted."""
    return proportion([row])


def agreement(night: Night, rows: Sequence[Result]) -> list[dict[str, Any]]:
    """The evaluators of this night against human labels, and against themselves."""
    shown = {identity(row) for row in rows}
    noises = {identity(row): {"noise": noise.section(row)} for row in night.noise}
    unlabelled = {key: Agreement(0, 0, 0, 0) for key in noises}
    tables = unlabelled | agreements(night.agreement)
    found = []
    for key in sorted(tables.keys() & shown):
        labels = tables[key]
        tpr, tnr = labels.passes.interval(), labels.fails.interval()
        found.append(
            dict(zip(("dimension", "evaluator", "evaluator_version"), key, strict=True))
            | {"n": labels.n, "tp": labels.tp, "fn": labels.fn, "fp": labels.fp, "tn": labels.tn}
            | {"tpr": labels.tpr, "tpr_low": tidy(tpr.low), "tpr_high": tidy(tpr.high)}
            | {"tnr": labels.tnr, "tnr_low": tidy(tnr.low), "tnr_high": tidy(tnr.high)}
            | {"usable": labels.usable}
            | noises.get(key, {})
        )
    return found


def errors(failures: Iterable[Row]) -> list[dict[str, Any]]:
    """Errors and skips by code, counted."""
    counts: dict[tuple[str, str, str, str], int] = {}
    for row in failures:
        key = (row["dimension"], row["evaluator"], row["status"], row["code"] or "unknown")
        counts[key] = counts.get(key, 0) + int(row["n"])
    return [
        {"dimension": d, "evaluator": e, "code": code, "status": status, "count": count}
        for (d, e, status, code), count in sorted(counts.items())
    ]


def cost(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the night's ledger rows add up to; calls of a model without a price are no dollars.

    Where all are such calls the sum is unknown, not 0.
    """
    counts = {name: int(given.get(name, 0)) for name in ("calls", "tokens_in", "tokens_out")}
    unpriced = int(given.get("unpriced", 0))
    usd = None if unpriced and unpriced == counts["calls"] else tidy(float(given.get("usd", 0.0)))
    return {"usd": usd, **counts} | ({"unpriced": unpriced} if unpriced else {})


def provenance(night: Night) -> dict[str, Any]:
    """Which evaluators, which traces, and which reports it was compared with."""
    fields: dict[str, dict[str | None, int]] = {}
    for row in night.provenance:
        values = fields.setdefault(row["field"], {})
        values[row["value"]] = values.get(row["value"], 0) + int(row["n"])
    nights = sorted({day(row) for row in night.history if day(row) < night.date})
    evaluators = [
        {"name": e.name, "version": e.version, "kind": e.kind, **stamp(e, night.answered)}
        for e in sorted(night.evaluators, key=lambda e: (e.name, e.version))
    ]
    return {
        "evaluators": evaluators,
        "traces": {
            name: [
                {"value": value, "n": n}
                for value, n in sorted(values.items(), key=lambda v: (-v[1], str(v[0])))
            ]
            for name, values in sorted(fields.items())
        },
        "baseline": [{"date": d.isoformat(), "version": night.versions.get(d)} for d in nights],
    }
