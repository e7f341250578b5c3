"""What judging costs, and when judging everything fits the budget, at the catalog's price trend.

Pure; `pages.cost` shows it with its assumptions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from evals.evaluators.registry import needs_alignment
from evals.reports.phrases import format_day, format_percent
from evals.reports.report import Report
from evals.reports.sections import accounting, cost, errors, provenance, results
from evals.runs.score_files import UNASKED
from evals.specs import Budget, ModelPin

YEAR = 365.25
NEVER = 365 * 30
"""Days beyond which a trend predicts nothing."""


class Spending(NamedTuple):
    """The judging of some nights of an application, or of all."""

    nights: int
    traces: int
    usd: float
    calls: int
    scored: int
    """Evaluations by models with a verdict."""
    wanted: int
    """The same if every trace were judged."""
    caught: int
    """Of the verdicts, those that fail an answer."""
    is_complete: bool
    """Whether each night's sum is known."""

    @property
    def share(self) -> float | None:
        """The share of the evaluations that was made; None without judges."""
        return self.scored / self.wanted if self.wanted else None

    @property
    def usd_each(self) -> float | None:
        """Dollars per evaluation by a model; answers that were paid before cost nothing again."""
        return self.usd / self.scored if self.scored else None

    @property
    def usd_all(self) -> float | None:
        """Dollars a night if every trace were judged."""
        each = self.usd_each
        return None if each is None or not self.nights else each * self.wanted / self.nights

    @property
    def calls_all(self) -> float | None:
        """Calls a night if every trace were judged; no price changes them."""
        if not self.scored or not self.nights:
            return None
        return self.calls / self.scored * self.wanted / self.nights


class Trend(NamedTuple):
    """How the prices of the pinned models moved."""

    factor: float
    """Of a price, in a year."""
    first: date
    last: date
    """The nights from which the first and the last price are in force."""


class Need(NamedTuple):
    """What judging everything takes, beside the budget it must fit."""

    app: str | None
    """None: all applications together."""
    usd: float
    """Dollars a night, today."""
    calls: float
    """A night."""
    budget: Budget
    fits: date | None
    """When it fits; None: never at this trend, or unknown without one."""


class Outlook(NamedTuple):
    """When judging everything fits every budget."""

    trend: Trend | None
    total: Need
    apps: tuple[Need, ...]
    """Of the applications with a budget of their own."""

    @property
    def has_budget(self) -> bool:
        """Whether there is a budget at all."""
        return has_limit(self.total.budget) or bool(self.apps)

    @property
    def fits(self) -> date | None:
        """The day when the last of them fits; None: never, or unknown."""
        days = [need.fits for need in (self.total, *self.apps)]
        return None if None in days else max(day for day in days if day)


def sum_spending(reports: Iterable[Report]) -> Spending:
    """Sums the cost and the coverage of models' evaluations over reports."""
    nights: set[date] = set()
    traces = calls = scored = wanted = caught = 0
    usd, is_complete = 0.0, True
    for report in reports:
        nights.add(report.date)
        traces += report[accounting.SECTION].accepted
        paid = report[cost.SECTION]
        usd += paid.usd or 0.0
        calls += paid.calls
        is_complete &= paid.usd is not None and not paid.unpriced
        unasked = count_unasked(report)
        for row in report[results.SECTION]:
            if row.is_whole and needs_alignment(row.kind):
                verdicts = row.passed + row.failed
                scored += verdicts
                wanted += verdicts + row.errored + (row.unsampled or 0) + row.pending
                wanted += unasked[row.dimension, row.evaluator]
                caught += row.failed
    return Spending(len(nights), traces, usd, calls, scored, wanted, caught, is_complete)


def count_unasked(report: Report) -> Counter[tuple[str, str]]:
    """Counts the evaluations that were due and not asked for, by dimension and evaluator."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in report[errors.SECTION]:
        if row.status == "skipped" and row.code in UNASKED:
            counts[row.dimension, row.evaluator] += row.count
    return counts


def find_trend(reports: Sequence[Report], models: Mapping[str, ModelPin]) -> Trend | None:
    """Finds the yearly factor of the used models' prices; None where none has two of them."""
    used = {row.model for report in reports for row in report[provenance.SECTION].evaluators}
    moves: list[tuple[float, date, date]] = []
    for pin in models.values():
        prices = sorted(pin.prices, key=lambda price: price.since)
        if pin.model not in used or len(prices) < 2:
            continue
        first, last = prices[0], prices[-1]
        before, after = first.input + first.output, last.input + last.output
        days = (last.since - first.since).days
        if before > 0 and after > 0 and days:
            moves.append((math.log(after / before) * YEAR / days, first.since, last.since))
    if not moves:
        return None
    mean = math.fsum(move[0] for move in moves) / len(moves)
    return Trend(math.exp(mean), min(move[1] for move in moves), max(move[2] for move in moves))


def has_limit(budget: Budget) -> bool:
    """Whether a budget limits anything."""
    return budget.usd_per_day is not None or budget.calls_per_day is not None


def foresee(
    spending: Mapping[str | None, Spending],
    budgets: Mapping[str | None, Budget],
    trend: Trend | None,
    today: date,
) -> Outlook | None:
    """Foresees when judging everything fits the budgets.

    Args:
        spending: by application; None: of all together.
        budgets: the same.
        trend: of the prices.
        today: the last night.

    Returns:
        None where nothing was judged.
    """
    needs = {
        app: build_need(app, own, budgets.get(app, Budget()), trend, today)
        for app, own in spending.items()
    }
    total = needs.pop(None, None)
    limited = tuple(need for need in needs.values() if need and has_limit(need.budget))
    return total and Outlook(trend, total, limited)


def build_need(
    app: str | None, spending: Spending, budget: Budget, trend: Trend | None, today: date
) -> Need | None:
    """Computes what judging everything takes; None where nothing was judged."""
    usd, calls = spending.usd_all, spending.calls_all
    if usd is None or calls is None:
        return None
    fits = find_day(usd, budget.usd_per_day, trend, today)
    if budget.calls_per_day is not None and calls > budget.calls_per_day:
        fits = None
    return Need(app, usd, calls, budget, fits)


def find_day(full: float, budget: float | None, trend: Trend | None, today: date) -> date | None:
    """Finds the day when a cost a night fits a budget; None: never, or unknown without a trend."""
    if budget is None or full <= budget:
        return today
    if trend is None or trend.factor >= 1 or budget <= 0:
        return None
    days = math.log(budget / full) / math.log(trend.factor) * YEAR
    return today + timedelta(math.ceil(days)) if days < NEVER else None


def describe_trend(trend: Trend) -> str:
    """Describes how prices moved."""
    change = abs(1 - trend.factor)
    way = "fell" if trend.factor < 1 else "rose"
    return (
        f"prices {way} {format_percent(change)} a year between {format_day(trend.first, 'plain')} "
        f"and {format_day(trend.last, 'plain')}"
    )
