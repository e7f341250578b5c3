"""What differs between the versions of a night's report, in words.

Which versions there are is in `evals.storage.report_files`.
"""

import itertools
from datetime import date
from typing import TypedDict

from evals.reports.archive import read_report
from evals.reports.report import Report
from evals.reports.row_counts import Accounting
from evals.reports.sections import accounting
from evals.storage.lake import Lake
from evals.storage.report_files import order_versions
from orchestration.cli.board import select_whole_results


class VersionStep(TypedDict):
    """Two consecutive versions of a report, and what differs between them."""

    before: str
    after: str
    moved: list[str]


def compare_versions(lake: Lake, night: date, app: str) -> list[VersionStep]:
    """Compares each version of a night's report with the next, oldest first."""
    steps = list[VersionStep]()
    for before, after in itertools.pairwise(order_versions(lake, night, app)):
        old, new = (read_report(lake, night, app, name) for name in (before, after))
        if old and new:
            moved = list_differences(old, new)
            steps.append({"before": before, "after": after, "moved": moved})
    return steps


def list_differences(before: Report, after: Report) -> list[str]:
    """Lists the differences between two versions of a report, with the causes that are recorded."""
    words = list[str]()
    old_rows = {row.key: row for row in select_whole_results(before)}
    for row in select_whole_results(after):
        old, name = old_rows.get(row.key), f"{row.dimension} ({row.evaluator})"
        if old is None:
            words.append(f"{name} is new")
            continue
        if old.evaluator_version != row.evaluator_version:
            words.append(f"{name}: the evaluator changed")
        pairs = {
            "passed": (old.passed, row.passed),
            "failed": (old.failed, row.failed),
            "errored": (old.errored, row.errored),
            "skipped": (old.skipped, row.skipped),
        }
        words += [f"{name}: {key} {was} → {now}" for key, (was, now) in pairs.items() if was != now]
    was, now = before[accounting.SECTION], after[accounting.SECTION]
    return [*words, describe_data(was, now)] if was != now else words


def describe_data(before: Accounting, after: Accounting) -> str:
    """Describes changes of the traces themselves: their number, and late or corrected ones."""
    pairs = {
        "read": (before.read, after.read),
        "accepted": (before.accepted, after.accepted),
        "duplicate": (before.duplicate, after.duplicate),
        "quarantined": (before.quarantined, after.quarantined),
    }
    counts = [f"{key} {was} → {now}" for key, (was, now) in pairs.items() if was != now]
    fresh = [row for row in after.late if row not in before.late]
    counts += [f"{r.late} late, {r.corrected} corrected, read {r.seen}" for r in fresh]
    return f"data: the traces changed ({'; '.join(counts) or 'their checks'})"
