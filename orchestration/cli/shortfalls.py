"""What judges' nights lack, in a sentence each: questions not asked, providers that failed.

Reads reports and computes no figure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from evals.reports.report import Report
from evals.reports.sections import alarms, cost, errors
from evals.runs.score_files import NOT_ASKED

REASONS = {
    "budget": "the day's budget is spent",
    "night-deadline": "the night's deadline passed; `night_deadline_s` in the pin sets it",
    "rate-limited": "the provider answered with rate limits alone",
    "provider-down": "the provider answered nothing for a while",
    "outside-hours": "it is outside the pin's `hours`",
    "other-weights": "the weights are not the pinned ones",
}
"""Why questions were not asked, by the code of their rows."""


class Unasked(NamedTuple):
    """Traces of some nights whose questions were not asked."""

    app: str
    dimension: str
    evaluator: str
    code: str
    n: int

    def describe(self) -> str:
        """Describes them in a sentence."""
        about = (
            f"{self.app}: {self.dimension} ({self.evaluator}): {self.n:,} not asked, {self.code}"
        )
        return f"{about}: {REASONS.get(self.code, self.code)}; the next run asks them"


def list_unasked(reports: Iterable[Report]) -> list[Unasked]:
    """Lists the traces whose questions were not asked, by evaluator and reason."""
    counts = Counter[tuple[str, str, str, str]]()
    for report in reports:
        for row in report[errors.SECTION]:
            if row.status == "skipped" and row.code in NOT_ASKED:
                counts[report.app, row.dimension, row.evaluator, row.code] += row.count
    return [Unasked(*key, n) for key, n in sorted(counts.items())]


def describe_outages(reports: Sequence[Report]) -> list[str]:
    """Describes each judge whose provider failed, by the last night in which it did."""
    found: dict[tuple[str, str], list[tuple[date, str]]] = {}
    for report in reports:
        for alarm in report[alarms.SECTION]:
            if alarm.code == "no-answers":
                nights = found.setdefault((report.app, alarm.evaluator), [])
                nights.append((report.date, alarm.words))
    return [describe_outage(app, sorted(nights)) for (app, _), nights in sorted(found.items())]


def describe_outage(app: str, nights: Sequence[tuple[date, str]]) -> str:
    """Describes the nights in which a judge's provider failed."""
    last, words = nights[-1]
    more = f" and {len(nights) - 1} more" if len(nights) > 1 else ""
    return f"{app}, {last}{more}: {words}"


def describe_bounds(reports: Iterable[Report]) -> Iterator[str]:
    """Describes the nights whose cost is an upper bound."""
    for report in reports:
        paid = report[cost.SECTION]
        if paid.bounded:
            calls = f"{paid.bounded:,} of {paid.calls:,} calls"
            most = f"it counts at most US$ {paid.usd:.4f}" if paid.usd is not None else ""
            yield f"{report.app}, {report.date}: {calls} reported no usage; {most}".rstrip("; ")
