"""Several nights of one application as one table of rates.

The rows of a single night are in `sections.results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from evals.reports.json_form import absent_if
from evals.reports.phrases import round_figure
from evals.reports.report import Report
from evals.reports.result_rows import Result, Weighted
from evals.reports.sections import results
from evals.reports.sections.results import build_weighted_rate
from evals.statistics import Proportion, normal_quantile, pool_proportions


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledResult:
    """One dimension, evaluator version and slice over several nights."""

    dimension: str
    evaluator: str
    kind: str
    slice: str
    evaluator_versions: tuple[str, ...]
    """The one version; a list since rows once had several."""
    nights: int
    first: date = field(metadata={"key": "from"})
    last: date = field(metadata={"key": "to"})
    n: int
    passed: int
    failed: int
    errored: int
    skipped: int
    unsampled: int | None
    rate: float | None
    low: float | None
    high: float | None
    coverage: float | None
    weighted: Weighted | None = absent_if(None)

    def is_other_version(self, other: PooledResult) -> bool:
        """Whether the other row is of another version of the same evaluator."""
        names = (self.dimension, self.evaluator) == (other.dimension, other.evaluator)
        return names and self.evaluator_versions != other.evaluator_versions

    @property
    def compared_rate(self) -> Weighted | PooledResult:
        """The rate that comparisons use: weighted where there is one."""
        return self.weighted or self


def pool_reports(reports: Iterable[Report]) -> list[PooledResult]:
    """Sums the counts of nights, and computes the rate and interval of each sum.

    Args:
        reports: of one application; refused nights add none.

    Returns:
        One row per dimension, evaluator, slice and evaluator version, with its nights.

    Raises:
        ValueError: a night is there twice, or there are several applications.
    """
    groups: dict[tuple[str, str, str, str], list[tuple[date, Result]]] = {}
    seen: set[date] = set()
    apps: set[str] = set()
    for report in reports:
        apps.add(report.app)
        if report.date in seen or len(apps) > 1:
            raise ValueError(
                f"{report.app} {report.date}: pass one version of each night of one application"
            )
        seen.add(report.date)
        for row in report[results.SECTION]:
            groups.setdefault((*row.key, row.slice, row.evaluator_version), []).append(
                (report.date, row)
            )
    pooled = map(pool_rows, groups.values())
    return sorted(pooled, key=lambda row: (row.dimension, row.evaluator, row.slice, row.first))


def pool_rows(nights: Sequence[tuple[date, Result]]) -> PooledResult:
    """Pools several nights of one dimension, evaluator version and slice."""
    rows = [row for _, row in nights]
    passed, scored = sum(row.passed for row in rows), sum(row.scored for row in rows)
    rate = pool_proportions(
        [Proportion(row.passed, row.scored, compute_effective_size(row)) for row in rows]
    )
    low, high = rate.interval() if scored else (None, None)
    left = [row.unsampled for row in rows if row.unsampled is not None]
    unsampled = sum(left) if len(left) == len(rows) else None
    n = sum(row.n for row in rows)
    due = n + (unsampled or 0) + sum(row.pending for row in rows)
    dates = sorted({night for night, _ in nights})
    is_weighted = any(row.weighted for row in rows)
    return PooledResult(
        dimension=rows[0].dimension,
        evaluator=rows[0].evaluator,
        kind=rows[0].kind,
        slice=rows[0].slice,
        evaluator_versions=tuple(sorted({row.evaluator_version for row in rows})),
        nights=len(dates),
        first=dates[0],
        last=dates[-1],
        n=n,
        passed=passed,
        failed=sum(row.failed for row in rows),
        errored=sum(row.errored for row in rows),
        skipped=sum(row.skipped for row in rows),
        unsampled=unsampled,
        rate=rate.rate if scored else None,
        low=round_figure(low),
        high=round_figure(high),
        coverage=scored / due if due and unsampled is not None else None,
        weighted=build_weighted_rate(
            pool_proportions([build_proportion(r) for r in rows]) if is_weighted else None
        ),
    )


def build_proportion(row: Result) -> Proportion:
    """Returns a row's rate over all traces, with its effective sample size."""
    if row.weighted:
        return Proportion(row.weighted.rate * row.scored, row.scored, row.weighted.n)
    return Proportion(row.passed, row.scored, compute_effective_size(row))


def compute_effective_size(row: Result) -> float:
    """Computes the effective sample size of a reported interval: Wilson's bound solved for n."""
    n = row.scored
    if not n:
        return 0.0
    rate = row.passed / n
    bound = row.low if rate > 0 else row.high
    if bound is None:
        return float(n)
    size = normal_quantile() ** 2 * bound * (1 - bound) / (rate - bound) ** 2
    return float(n) if abs(size - n) < 1e-3 * n else size
