"""How the night's requests ended: how many were answered, and what became of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from evals.records import AnswerStatus
from evals.reports.decide.rows import StatusCount, read_rows
from evals.reports.json_form import Count, Share
from evals.reports.section import NightData, Parts, Section, show_rate
from evals.statistics import Proportion


@dataclass(frozen=True, slots=True)
class EndedCount:
    """Requests that ended in one way."""

    status: AnswerStatus
    n: Count
    share: Share
    """Of all requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """How the night's requests ended; all zero in a report made before it was counted."""

    n: Count = 0
    """Traces, one a request."""
    unanswered: Count = 0
    """Those that ended in an error, timed out, were cut off or filtered, or answered nothing."""
    share: Share | None = None
    """Of all requests, the share unanswered."""
    low: Share | None = None
    """Lower end of its 95% interval (Wilson)."""
    high: Share | None = None
    """Upper end of the same."""
    by_status: tuple[EndedCount, ...] = ()
    """Only of those unanswered, the most frequent first."""


def collect(night: NightData) -> Sequence[StatusCount]:
    """Reads how many traces ended in each way."""
    return read_rows(StatusCount, night.read_rows_tonight("rpt_statuses"))


def build(rows: Sequence[StatusCount], parts: Parts) -> Requests:
    """Counts the requests that were not answered."""
    del parts
    n = sum(row.n for row in rows)
    failed = sorted((r for r in rows if r.status != "ok"), key=lambda row: (-row.n, row.status))
    counted = Proportion(sum(row.n for row in failed), n)
    shown = show_rate(counted)
    return Requests(
        n=n,
        unanswered=sum(row.n for row in failed),
        share=shown.rate,
        low=shown.low,
        high=shown.high,
        by_status=tuple(
            EndedCount(cast("AnswerStatus", row.status), row.n, row.n / n) for row in failed
        ),
    )


def build_empty(night: NightData) -> Requests:
    """Counts nothing: no trace of a refused night was accepted."""
    del night
    return Requests()


STATUS_PHRASES: dict[str, str] = {
    "ok": "was answered",
    "error": "ended in an error",
    "timeout": "timed out",
    "cut_off": "was cut off",
    "empty": "was answered with nothing",
    "filtered": "was stopped by a content filter",
}
"""What became of a request, for a sentence."""


SECTION = Section[Sequence[StatusCount], Requests](
    name="requests",
    about="How the night's requests ended: the share unanswered, overall and by status.",
    part=Requests,
    collect=collect,
    build=build,
    empty=build_empty,
    default=Requests(),
)
