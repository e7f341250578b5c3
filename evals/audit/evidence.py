"""What the last nights show of each evaluator: verdicts, whether it decides, what it cost.

`findings` concludes from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

from evals.evaluators.peers import list_peers
from evals.reports.archive import read_current_reports
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import agreement, errors, results
from evals.runs.model_servers import resolve_app
from evals.specs import Catalog, Evaluator
from evals.specs.catalog import ANSWERED
from evals.storage.lake import Lake
from evals.storage.queries import query_tables, quote_text

NIGHTS = 28
"""The last nights that are looked at."""
PAIRED_NIGHTS = 7
"""Of these, the ones whose answers are compared one by one."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the last nights show of one evaluator."""

    evaluator: Evaluator
    nights: int = 0
    """Nights in which its version was reported."""
    passed: int = 0
    failed: int = 0
    errored: int = 0
    skipped: int = 0
    decides: bool = False
    """Whether it decided the last night."""
    aligned: bool | None = None
    """In the last night; None where that is not needed."""
    needs: str = ""
    """The labels that its alignment needs, in words; empty: none, or unknown."""
    target: float | None = None
    codes: Mapping[str, int] = field(default_factory=dict[str, int])
    """Why rows have no verdict, counted by code."""
    is_declared: bool = True
    """Whether the team declared it; every application has the dimension `answered`."""
    is_read: bool = False
    """Whether another evaluator concludes from its verdicts, or samples by them."""
    calls: int = 0
    usd: float = 0.0

    @property
    def scored(self) -> int:
        """Verdicts."""
        return self.passed + self.failed

    @property
    def key(self) -> tuple[str, str]:
        """Its application and name."""
        return (self.evaluator.app, self.evaluator.name)


class Pair(NamedTuple):
    """How two evaluators of one application judged the same answers."""

    app: str
    one: str
    other: str
    n: int
    """Answers that both judged."""
    both_failed: int
    one_failed: int
    """Failed by the first alone."""
    other_failed: int
    """Failed by the second alone."""

    @property
    def failed(self) -> int:
        """Answers that at least one of them failed."""
        return self.both_failed + self.one_failed + self.other_failed


@dataclass(frozen=True, slots=True)
class Audited:
    """Everything that findings are concluded from."""

    first: date | None
    last: date | None
    records: tuple[Record, ...]
    pairs: tuple[Pair, ...]


def collect(lake: Lake, catalog: Catalog, app: str | None = None) -> Audited:
    """Collects what the last 28 nights show of the catalog's evaluators.

    Args:
        lake: has reports, scores and paid answers.
        catalog: declares the evaluators.
        app: only those of this application.
    """
    names = [app] if app else sorted(catalog.apps)
    reports = select_last(read_current_reports(lake), names)
    nights = sorted({report.date for report in reports})
    costs = read_costs(lake, nights)
    records = [
        record
        for name in names
        for record in build_records(
            resolve_app(lake, catalog, name),
            [report for report in reports if report.app == name],
            costs,
        )
    ]
    pairs = read_pairs(lake, nights[-PAIRED_NIGHTS:], names)
    return Audited(
        nights[0] if nights else None, nights[-1] if nights else None, tuple(records), pairs
    )


def select_last(reports: Sequence[Report], apps: Iterable[str]) -> list[Report]:
    """Selects some applications' reports of the last 28 nights, oldest first."""
    own = [report for report in reports if report.app in set(apps) and not report.is_refused]
    last = max((report.date for report in own), default=date.min)
    return [report for report in own if last - report.date < timedelta(days=NIGHTS)]


def build_records(
    evaluators: Sequence[Evaluator],
    reports: Sequence[Report],
    costs: dict[tuple[str, str], tuple[int, float]],
) -> list[Record]:
    """Builds the records of an application's evaluators, and which of them others read."""
    read = {name for one in evaluators for name in list_peers(one)}
    return [
        replace(
            build_record(one, reports, costs),
            is_declared=one.dimension != ANSWERED,
            is_read=one.dimension in read,
        )
        for one in evaluators
    ]


def count_codes(reports: Sequence[Report], evaluator: Evaluator) -> dict[str, int]:
    """Counts why an evaluator gave no verdict."""
    codes = Counter[str]()
    for report in reports:
        for row in report[errors.SECTION]:
            if (row.dimension, row.evaluator) == (evaluator.dimension, evaluator.name):
                codes[row.code] += row.count
    return dict(codes)


def build_record(
    evaluator: Evaluator, reports: Sequence[Report], costs: dict[tuple[str, str], tuple[int, float]]
) -> Record:
    """Adds up the nights in which the evaluator's present version was reported."""
    rows = [row for report in reports for row in report[results.SECTION] if is_of(row, evaluator)]
    if not rows:
        return Record(evaluator)
    calls, usd = costs.get((evaluator.app, evaluator.answer_version or ""), (0, 0.0))
    last = rows[-1]
    return Record(
        evaluator,
        nights=len(rows),
        passed=sum(row.passed for row in rows),
        failed=sum(row.failed for row in rows),
        errored=sum(row.errored for row in rows),
        skipped=sum(row.skipped for row in rows),
        decides=last.decides,
        aligned=last.aligned,
        needs=describe_missing(reports[-1], evaluator),
        target=last.target,
        codes=count_codes(reports, evaluator),
        calls=calls,
        usd=usd,
    )


def is_of(row: Result, evaluator: Evaluator) -> bool:
    """Whether a report's row is of all traces and of this version of the evaluator."""
    wanted = (evaluator.dimension, evaluator.name, evaluator.version)
    return row.is_whole and row.identity == wanted


def describe_missing(report: Report, evaluator: Evaluator) -> str:
    """Describes the labels that a judge needs before it may decide; empty where none are named."""
    for row in report[agreement.SECTION]:
        if (row.evaluator, row.evaluator_version) == (evaluator.name, evaluator.version):
            missing = row.missing
            return (
                f"{missing.passes} more passes and {missing.failures} more failures by people "
                "among the test labels; its review queue asks for them"
                if missing
                else ""
            )
    return ""


def read_costs(lake: Lake, nights: Sequence[date]) -> dict[tuple[str, str], tuple[int, float]]:
    """Reads the calls and dollars of some nights, by application and answer version."""
    if not nights:
        return {}
    sql = (
        "select app, answer_version, count(*) as calls, sum(cost_usd) as usd from answers group by"
        " all"
    )
    rows = query_tables(lake, sql, {"answers": nights})
    return {(row["app"], row["answer_version"]): (row["calls"], row["usd"] or 0.0) for row in rows}


PAIRS = """
with judged as (
    select distinct on (trace_id, evaluator) app, trace_id, evaluator, verdict = 'fail' as failed
    from scores
    where status = 'scored' and kind <> 'recorded' and subject_id is null
        and list_contains({apps}, app)
    order by evaluator_version
)
select
    a.app, a.evaluator as one, b.evaluator as other, count(*) as n,
    count(*) filter (a.failed and b.failed) as both_failed,
    count(*) filter (a.failed and not b.failed) as one_failed,
    count(*) filter (b.failed and not a.failed) as other_failed
from judged a
join judged b on a.app = b.app and a.trace_id = b.trace_id and a.evaluator < b.evaluator
group by all order by all
"""


def read_pairs(lake: Lake, nights: Sequence[date], apps: Sequence[str]) -> tuple[Pair, ...]:
    """Reads how each two evaluators of an application judged the same answers."""
    if not nights:
        return ()
    sql = PAIRS.format(apps=f"[{', '.join(map(quote_text, apps))}]")
    return tuple(Pair(**row) for row in query_tables(lake, sql, {"scores": nights}))
