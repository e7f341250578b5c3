"""Report bodies as the report stage would write them, invented for tests of pages.

Nothing here is measured; the intervals are Wilson's so that charts look as they will.
"""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from typing import Any

from evals.records import digest
from evals.reports.report import Report

Body = dict[str, Any]


def typed(body: Body) -> Report:
    """A body as pages take it."""
    return Report.from_json(body)


FIELDS = ("title", "price", "rating")
WARES = (
    "A kettle of brushed steel, 1.7 litres, boils in four minutes. Was €49, now €39.90. 4.6 of 5.",
    "Walking boots, waterproof, sizes 36 to 47. £120. Rated 4.1 by 312 walkers.",
    "Desk lamp with a clamp and three levels of warmth; $24.50; customers give it 3.9 stars.",
)


def wilson(passed: int, n: int) -> tuple[float | None, float | None]:
    """Wilson's 95% interval of a share; none without observations."""
    if not n:
        return None, None
    z, p = 1.959964, passed / n
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max((middle - spread) / (1 + z * z / n), 0.0), min(
        (middle + spread) / (1 + z * z / n), 1.0
    )


def result(dimension: str, passed: int, failed: int, **other: Any) -> Body:
    """One row of results; anything not given is as plain as can be."""
    scored = passed + failed
    low, high = wilson(passed, scored)
    rate = passed / scored if scored else None
    counts = {"errored": 0, "skipped": 0, "unsampled": 0} | {
        k: other.pop(k) for k in ("errored", "skipped", "unsampled") if k in other
    }
    n = scored + counts["errored"] + counts["skipped"]
    row = {
        "dimension": dimension, "question": f"Is the {dimension} right?",
        "evaluator": f"shop.{dimension}", "evaluator_version": digest(dimension),
        "kind": "assertion", "slice": "all", "n": n, "passed": passed, "failed": failed, **counts,
        "rate": rate, "low": low, "high": high, "estimate": rate, "estimate_low": low,
        "estimate_high": high, "estimator": "raw",
        "coverage": scored / max(n + counts["unsampled"], 1),
        "aligned": None, "decides": True, "target": None, "mde": 0.12, "verdict": "held",
        "reason": "as before", "baseline": None, "change": None, "change_low": None,
        "change_high": None, "p": None,
    }  # fmt: skip
    return row | other


def against(row: Body, before: float, margin: float, verdict: str, first: str, last: str) -> Body:
    """A row compared with a baseline of seven nights."""
    change = row["rate"] - before
    return row | {
        "baseline": {"rate": before, "n": 1400, "from": first, "to": last},
        "change": change, "change_low": change - margin, "change_high": change + margin,
        "p": 0.0004 if verdict == "slipped" else 0.4, "verdict": verdict,
    }  # fmt: skip


def sealed(body: Body) -> Body:
    """The body with its version."""
    rest = {key: value for key, value in body.items() if key != "version"}
    return body | {"version": digest(rest)}


def night(day: str = "2026-10-08", app: str = "shop", **other: Any) -> Body:
    """A night that held, with one dimension and nothing else to report."""
    body: Body = {
        "schema_version": 1, "date": day, "app": app, "title": app.capitalize(), "version": "",
        "demo": False, "status": "reported", "refusal": None, "suite": app, "verdict": "held",
        "sentence": "Held: price 91%.", "gate": {"outcome": "pass", "reasons": []},
        "results": [result("price", 182, 18)], "changes": [], "causes": [], "slices": [],
        "examples": [], "agreement": [], "errors": [],
        "accounting": {"read": 200, "accepted": 200, "duplicate": 0, "quarantined": 0,
                       "reasons": []},
        "provenance": {
            "evaluators": [{"name": "shop.price", "version": digest("price"),
                            "kind": "assertion", "model": None}],
            "traces": {"prompt_version": [{"value": "v2", "n": 200}],
                       "model": [{"value": "small-1", "n": 200}]},
            "baseline": []},
        "cost": {"usd": 0.0, "calls": 0, "tokens_in": 0, "tokens_out": 0},
    }  # fmt: skip
    return sealed(body | other)


def refused(day: str = "2026-10-08", app: str = "shop") -> Body:
    """A night refused at validation."""
    return night(
        day, app, status="refused", verdict="not measured", results=[],
        sentence="Refused: 61 of 200 rows were quarantined, 31%, over the limit of 20%.",
        refusal={"reason": "Most rows have no timestamp.", "read": 200, "quarantined": 61,
                 "limit": 0.2},
        gate={"outcome": "infrastructure", "reasons": ["the night was refused"]},
        accounting={"read": 200, "accepted": 139, "duplicate": 0, "quarantined": 61,
                    "reasons": [{"code": "no-timestamp", "count": 58},
                                {"code": "not-json", "count": 3}]},
    )  # fmt: skip


def example(index: int, **other: Any) -> Body:
    """One failing answer."""
    return {
        "trace_id": f"shop-10-08-{index:04d}", "dimension": "price", "evaluator": "shop.price",
        "verdict": "fail",
        "explanation": "The price is 49, the gold price 39.90: it took the old one.",
        "ts": f"2026-10-08T09:14:{index:02d}Z", "input": WARES[index % 3],
        "context": "Return title, price, rating as JSON.\nUse the price the customer pays today.",
        "output": '{"title":"Kettle, brushed steel","price":49.00,"rating":4.6,"unit":"\\u20ac"}',
        "steps": [], "model": "small-1", "prompt_version": "v3", "session_id": f"s-{index}",
        "source_file": "shop-10-08.jsonl", "source_line": 1200 + index,
    } | other  # fmt: skip


def slipped(day: str = "2026-10-08") -> Body:
    """A night with everything on it: a slip with its cause, corrected rates, an unaligned judge."""
    first, last = (date.fromisoformat(day) - timedelta(days=n) for n in (7, 1))
    span = (first.isoformat(), last.isoformat())
    price = against(result("price", 148, 52, target=0.9), 0.91, 0.06, "slipped", *span)
    valid = against(result("valid-json", 199, 1, target=0.98), 0.99, 0.02, "held", *span)
    tone = result(
        "tone", 40, 18, kind="judge", evaluator="polite", estimator="rogan-gladen", estimate=0.62,
        estimate_low=0.47, estimate_high=0.77, errored=2, unsampled=140, aligned=True,
        question="Would a shopkeeper be glad of this answer?")  # fmt: skip
    tone = against(tone, 0.72, 0.14, "too close to call", *span)
    judge = result("helpful", 30, 28, kind="judge", evaluator="helpful-small", aligned=False,
                   decides=False, verdict="not measured", unsampled=142)  # fmt: skip
    outside = result("price", 150, 50, kind="recorded", evaluator="human", decides=False)
    parts = [
        against(
            result("price", 20, 25, slice="source = partner feed"), 0.9, 0.15, "slipped", *span
        ),
        result("price", 128, 27, slice="source = own shop"),
        result("rating", 0, 0, slice="language = de", skipped=12, verdict="not measured"),
    ]
    return night(
        day, verdict="slipped", title="Product extraction",
        sentence="Slipped: price 91% → 74% (−17 ± 6), prompt v3.",
        gate={"outcome": "regressed", "reasons": ["price fell by 17 points, more than 5"]},
        results=[price, valid, tone, judge, outside, *parts],
        changes=[
            {"dimension": "price", "evaluator": "shop.price", "slice": "all", "before": 0.91,
             "after": 0.74, "change": -0.17, "low": -0.23, "high": -0.11, "p": 0.0000004,
             "verdict": "slipped"},
            {"dimension": "price", "evaluator": "shop.price", "slice": "source = partner feed",
             "before": 0.9, "after": 0.44, "change": -0.46, "low": -0.61, "high": -0.31,
             "p": 0.0001, "verdict": "slipped"},
            {"dimension": "valid-json", "evaluator": "shop.valid-json", "slice": "all",
             "before": 0.99, "after": 0.995, "change": 0.005, "low": -0.015, "high": 0.025,
             "p": 0.61, "verdict": "held"}],
        causes=[{"dimension": "price", "evaluator": "shop.price", "cause": "prompt_version",
                 "before": [{"value": "v2", "share": 1.0}],
                 "after": [{"value": "v3", "share": 0.94}, {"value": "v2", "share": 0.06}],
                 "words": "Prompt v3 came into use: with it 73% of prices are right, with v2 92%."
                 }],
        slices=[{"dimension": "price", "evaluator": "shop.price",
                 "slice": "source = partner feed", "n": 45, "rate": 0.444, "low": 0.31,
                 "high": 0.59, "parent_rate": 0.74, "excess": 0.296, "q": 0.0003}],
        examples=[example(i) for i in range(5)],
        agreement=[
            {"dimension": "tone", "evaluator": "polite", "evaluator_version": digest("polite"),
             "n": 120, "tp": 70, "fn": 8, "fp": 6, "tn": 36, "tpr": 0.897, "tpr_low": 0.81,
             "tpr_high": 0.95, "tnr": 0.857, "tnr_low": 0.72, "tnr_high": 0.93, "usable": True},
            {"dimension": "helpful", "evaluator": "helpful-small", "n": 58,
             "evaluator_version": digest("helpful"), "tp": 20, "fn": 14, "fp": 16, "tn": 8,
             "tpr": 0.588, "tpr_low": 0.42, "tpr_high": 0.74, "tnr": 0.333, "tnr_low": 0.18,
             "tnr_high": 0.53, "usable": False}],
        errors=[{"dimension": "tone", "evaluator": "polite", "code": "timeout",
                 "status": "error", "count": 2},
                {"dimension": "rating", "evaluator": "shop.rating", "code": "no-gold",
                 "status": "skipped", "count": 12}],
        accounting={"read": 214, "accepted": 200, "duplicate": 9, "quarantined": 5,
                    "reasons": [{"code": "no-timestamp", "count": 5}]},
        provenance={
            "evaluators": [
                {"name": "shop.price", "version": digest("price"), "kind": "reference",
                 "model": None},
                {"name": "polite", "version": digest("polite"), "kind": "judge",
                 "model": "small-1-2026-05"}],
            "traces": {"prompt_version": [{"value": "v3", "n": 188}, {"value": "v2", "n": 12}],
                       "model": [{"value": "small-1", "n": 200}],
                       "git_commit": [{"value": "4be91c2", "n": 200}]},
            "baseline": [{"date": span[1], "version": digest("before")}]},
        cost={"usd": 0.0312, "calls": 118, "tokens_in": 68_400, "tokens_out": 9_100},
    )  # fmt: skip


def nights(
    count: int, app: str = "shop", dimensions: tuple[str, ...] = FIELDS, last: str = "2026-10-08",
    drop: int | None = None, n: int = 200, demo: bool = False,
) -> list[Body]:  # fmt: skip
    """Consecutive nights of an application, oldest first; `drop` nights ago its price got worse."""
    chance = random.Random(f"{app}{count}")
    bodies = []
    for ago in range(count - 1, -1, -1):
        day = (date.fromisoformat(last) - timedelta(days=ago)).isoformat()
        worse = drop is not None and ago <= drop
        rows, rates = [], {}
        for place, dimension in enumerate(dimensions):
            aim = 0.74 if worse and place == 0 else 0.94 - 0.04 * place
            passed = round(n * min(max(chance.gauss(aim, 0.022), 0), 1))
            row = result(dimension, passed, n - passed, evaluator=f"{app}.{dimension}")
            rates[dimension] = row["rate"]
            rows.append(against(row, 0.94 - 0.04 * place, 0.06,
                                "slipped" if worse and place == 0 else "held", day, day)
                        )  # fmt: skip
        first = dimensions[0]
        verdict = "slipped" if worse else "held"
        change = f" (−{round(94 - 100 * rates[first])} ± 6), prompt v3" if worse else ""
        sentence = f"{verdict.capitalize()}: {first} {rates[first]:.0%}{change}."
        prompt = [{"value": "v3" if worse else "v2", "n": n}]
        bodies.append(night(
            day, app, results=rows, verdict=verdict, sentence=sentence, demo=demo,
            gate={"outcome": "regressed", "reasons": [f"{first} fell"]} if worse
            else {"outcome": "pass", "reasons": []},
            provenance={"evaluators": [{"name": f"{app}.{first}", "version": digest(first),
                                        "kind": "assertion", "model": None}],
                        "traces": {"prompt_version": prompt,
                                   "model": [{"value": "small-1", "n": n}]},
                        "baseline": []},
        ))  # fmt: skip
    return bodies


HOSTILE = (
    '<script>alert("x")</script> </title></style><img src=x onerror=alert(1)> {{ 7 * 7 }} '
    "&amp; \u202e gnihsif \u2066hidden\u2069 \x00\x1b[31m \ud800 \U000e0041 "
)


def hostile() -> Body:
    """A slipped night in which every text that comes from data is an attack."""

    def spoil(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: spoil(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [spoil(v, key) for v in value]
        untouched = {"date", "from", "to", "slice", "kind", "verdict", "status", "outcome",
                     "estimator", "dimension", "evaluator", "cause"}  # fmt: skip
        return HOSTILE + value if isinstance(value, str) and key not in untouched else value

    body = spoil(slipped())
    row = result(HOSTILE, 1, 1, slice="all", evaluator=HOSTILE)
    return body | {"app": "../../" + HOSTILE, "results": [*body["results"], row]}
