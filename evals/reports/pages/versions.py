"""The page of a night's versions: their rates side by side, and what moved from one to the next.

Selects from the reports; what differs is `differences`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from evals.reports.differences import Difference
from evals.reports.pages.environment import load_environment
from evals.reports.pages.marks import get_verdict
from evals.reports.phrases import count_in_words
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import results
from evals.reports.versions import NightVersion

FOLDER = "versions"
"""Beside the versions of a night."""
MOST = 5
"""Versions side by side, the newest ones."""


class Side(NamedTuple):
    """A version in a column."""

    version: NightVersion
    report: Report
    verdict: str


class Row(NamedTuple):
    """A rate in each version; None where a version has none."""

    dimension: str
    evaluator: str
    cells: Sequence[Result | None]
    has_moved: bool


class Step(NamedTuple):
    """What differs from the version before, by group."""

    version: NightVersion
    groups: Sequence[tuple[str, Sequence[Difference]]]


def render_versions(versions: Sequence[NightVersion], reports: Sequence[Report]) -> str:
    """Renders the page of a night's versions.

    Args:
        versions: all of them, the first written first.
        reports: those that can be read, in any order.
    """
    by_name = {report.version: report for report in reports}
    known = [one for one in versions if one.version in by_name][-MOST:]
    sides = [Side(one, by_name[one.version], get_verdict(by_name[one.version])) for one in known]
    return load_environment().get_template("versions.html").render(
        report=sides[-1].report,
        sentence=describe_versions(versions, sides),
        sides=sides,
        rows=list_rows(sides),
        steps=[build_step(one) for one in reversed(versions) if one.before],
        left_out=len(versions) - len(sides),
    )  # fmt: skip


def describe_versions(versions: Sequence[NightVersion], sides: Sequence[Side]) -> str:
    """Describes how many versions a night has, and whether the last one has another verdict."""
    count = count_in_words(len(versions)).capitalize()
    opening = f"{count} versions of this night"
    if len(sides) > 1 and sides[-2].verdict != sides[-1].verdict:
        return f"{opening}; the last one turned it from {sides[-2].verdict} to {sides[-1].verdict}."
    moved = len(versions[-1].moved)
    if not moved:
        return f"{opening}; no figure differs between the last two."
    differences = "difference" if moved == 1 else "differences"
    return f"{opening}; {count_in_words(moved)} {differences} in the last one, the same verdict."


def list_rows(sides: Sequence[Side]) -> list[Row]:
    """Lists the rates of all traces, those that moved first."""
    tables = [
        {row.key: row for row in side.report[results.SECTION] if row.is_whole} for side in sides
    ]
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = [
        Row(*key, cells, len({(row.rate, row.verdict) if row else None for row in cells}) > 1)
        for key in keys
        for cells in [[table.get(key) for table in tables]]
    ]
    return sorted(rows, key=lambda row: not row.has_moved)


def build_step(version: NightVersion) -> Step:
    """Groups what differs in a version."""
    groups = groupby(version.moved, key=lambda one: one.group)
    return Step(version, [(group, list(own)) for group, own in groups])
