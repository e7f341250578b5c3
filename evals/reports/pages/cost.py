"""The page of costs: what judging cost, what it found, and when all of it fits the budget.

The figures are `outlook`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.reports.outlook import Outlook, Spending, find_trend, foresee, sum_spending
from evals.reports.pages.environment import load_environment
from evals.reports.phrases import format_day, format_dollars, format_percent
from evals.reports.report import Report
from evals.specs import Budget, ModelPin

YEARS = 3
"""Of the line."""
WIDTH, HEIGHT = 640, 150


class Line(NamedTuple):
    """The outlook as a line: dollars a night for everything, over years."""

    path: str
    budget: float | None
    """Its height."""
    top: float
    text: str


def render_cost(
    reports: Sequence[Report],
    models: Mapping[str, ModelPin],
    budgets: Mapping[str | None, Budget],
) -> str:
    """Renders the page of costs.

    Args:
        reports: of the nights that are summed, oldest first.
        models: the catalog's pins, with their prices.
        budgets: of a day, by application; None: of all together.
    """
    by_app: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        by_app[report.app].append(report)
    total = sum_spending(reports)
    today = max((report.date for report in reports), default=date.min)
    spending = {app: sum_spending(own) for app, own in sorted(by_app.items())}
    outlook = foresee({None: total, **spending}, budgets, find_trend(reports, models), today)
    return load_environment().get_template("cost.html").render(
        sentence=describe_cost(total, outlook, today),
        total=total,
        rows=[(by_app[app][-1], own) for app, own in spending.items()],
        needs=[outlook.total, *outlook.apps] if outlook else [],
        titles={app: own[-1].title or app for app, own in by_app.items()},
        outlook=outlook,
        line=draw_line(outlook) if outlook and outlook.trend else None,
        today=today,
        demo=any(report.demo for report in reports),
    )  # fmt: skip


def describe_cost(total: Spending, outlook: Outlook | None, today: date) -> str:
    """Describes what judging costs, and when everything fits the budget."""
    if not total.scored or total.share is None:
        return "No answer was judged by a model, so judging cost nothing."
    nights = "one night" if total.nights == 1 else f"{total.nights} nights"
    share, usd = format_percent(total.share), format_dollars(total.usd)
    opening = f"Judging {share} of what the judges cover cost {usd} in {nights}"
    if outlook is None or not outlook.has_budget:
        return f"{opening}; the catalog sets no budget."
    budget = "every budget" if outlook.apps else "the budget"
    if outlook.fits == today:
        return f"{opening}; judging everything fits {budget}."
    if outlook.fits is None:
        return f"{opening}; judging everything does not come to fit {budget}."
    return f"{opening}; judging everything fits {budget} from {format_day(outlook.fits, 'plain')}."


def draw_line(outlook: Outlook) -> Line:
    """Draws the cost of judging everything over the next years."""
    factor = outlook.trend.factor if outlook.trend else 1.0
    costs = [outlook.total.usd * factor ** (step / 12) for step in range(12 * YEARS + 1)]
    budget = outlook.total.budget.usd_per_day
    top = max([*costs, budget or 0.0]) or 1.0
    points = [
        (WIDTH * step / (12 * YEARS), HEIGHT - HEIGHT * cost / top)
        for step, cost in enumerate(costs)
    ]
    limit = "" if budget is None else f"; budget {format_dollars(budget)} a day"
    return Line(
        "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points),
        None if budget is None else round(HEIGHT - HEIGHT * budget / top, 1),
        top,
        f"{format_dollars(costs[0])} a night today, {format_dollars(costs[-1])} in {YEARS} years"
        f"{limit}",
    )
