"""A judge's own noise: how often one more answer to the same request contradicts the first.

Pure; which answers are compared is `evals.runs.noise`'.
"""

from __future__ import annotations

from typing import Any

from evals.reports.causes import Row
from evals.statistics import Proportion, effective_n


def flips(row: Row) -> Proportion:
    """The flip rate; answers to one content move together.

    Where nothing flipped, or all did, how much they move together is unknown: then a content
    counts as one observation.
    """
    n, flipped, contents = int(row["pairs"]), int(row["flips"]), int(row["contents"])
    if not 0 < flipped < n:
        return Proportion(flipped, n, float(contents))
    return Proportion(flipped, n, effective_n(flipped, n, contents, float(row["square"])))


def section(row: Row) -> dict[str, Any]:
    """A judge's `noise` in the report's `agreement`; no rate without a pair."""
    rate = flips(row)
    low, high = rate.interval() if rate.n else (None, None)
    awaited = int(row.get("awaited") or 0)
    return {
        **{key: int(row[key]) for key in ("repeats", "contents")},
        "n": rate.n,
        **{key: int(row[key]) for key in ("flips", "errors", "missing")},
        "rate": rate.rate if rate.n else None,
        "low": None if low is None else round(low, 8) + 0.0,
        "high": None if high is None else round(high, 8) + 0.0,
    } | ({"awaited": awaited} if awaited else {})
