"""Several nights of one application as one table of rates.

What a single night says is `measurements`', and what it decides `results`'.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date

from evals.reports.causes import Row
from evals.reports.measurements import (
    COUNTS,
    Identity,
    Result,
    day,
    identity,
    proportion,
    represented,
    scored,
    tidy,
    weighs,
    weighted_part,
)
from evals.statistics import Proportion, critical, together


def pool(nights: Iterable[Row]) -> list[Result]:
    """Counts summed over nights, with the rate and interval of the sum.

    Args:
        nights: report bodies of one application, or rows of `rpt_rates`; refused nights add none.

    Returns:
        One row per dimension, evaluator and slice, with its nights and evaluator versions.

    Raises:
        ValueError: a night is there twice, or there are several applications.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    seen: set[tuple[date, Identity, str]] = set()
    apps: set[str] = set()
    for row in flat(nights):
        apps.add(row["app"])
        key = (day(row), identity(row), row["slice"])
        if key in seen or len(apps) > 1:
            raise ValueError(
                f"{row['app']} {key[0]}: pass one version of each night of one application"
            )
        seen.add(key)
        groups.setdefault((row["dimension"], row["evaluator"], row["slice"]), []).append(row)
    return [pooled(rows) for _, rows in sorted(groups.items())]


def flat(nights: Iterable[Row]) -> Iterable[Row]:
    """The rows of bodies, each with its night; rows of rates as they are."""
    for night in nights:
        if "results" not in night:
            yield night
        for row in night.get("results", ()):
            yield {**row, "date": night["date"], "app": night["app"]}


def pooled(rows: Sequence[Row]) -> Result:
    """Several nights of one dimension, evaluator and slice as one row."""
    now = proportion(rows)
    if any("session_ss" not in row for row in rows):
        now = Proportion(now.passed, now.n, math.fsum(reported_size(row) for row in rows))
    low, high = now.interval() if now.n else (None, None)
    left = [row.get("unsampled", 0) for row in rows]
    unsampled = None if None in left else sum(left)
    counts = {name: sum(int(row[name]) for row in rows) for name in COUNTS}
    due = counts["n"] + (unsampled or 0) + sum(row.get("pending", 0) for row in rows)
    dates = sorted({day(row) for row in rows})
    return {
        **{key: rows[0][key] for key in ("dimension", "evaluator", "kind", "slice")},
        "evaluator_versions": sorted({row["evaluator_version"] for row in rows}),
        "nights": len(dates),
        "from": dates[0].isoformat(),
        "to": dates[-1].isoformat(),
        **counts,
        "unsampled": unsampled,
        "rate": now.rate if now.n else None,
        "low": tidy(low),
        "high": tidy(high),
        "coverage": now.n / due if due and unsampled is not None else None,
        **weighted_part(
            together([reported(row) for row in rows]) if any(map(unequal, rows)) else None
        ),
    }


def unequal(row: Row) -> bool:
    """Whether a row of rates or of a body is weighted."""
    return "weighted" in row or weighs(row)


def reported(row: Row) -> Proportion:
    """What a row of rates or of a body says of all traces."""
    told, n = row.get("weighted"), scored([row])
    if told:
        return Proportion(told["rate"] * n, n, told["n"])
    if "session_ss" in row:
        return represented([row])
    return Proportion(int(row["passed"]), n, reported_size(row))


def reported_size(row: Row) -> float:
    """The effective sample size behind a reported interval: Wilson's bound, solved for n."""
    n = scored([row])
    if not n:
        return 0.0
    rate = int(row["passed"]) / n
    bound = row["low"] if rate > 0 else row["high"]
    size = critical() ** 2 * bound * (1 - bound) / (rate - bound) ** 2
    return float(n) if abs(size - n) < 1e-3 * n else size
