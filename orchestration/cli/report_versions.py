"""The versions of a night's report as `andon report diff` shows them.

What differs between two of them is in `evals.reports.differences`.
"""

from datetime import date
from typing import TypedDict

from evals.reports.versions import list_versions
from evals.storage.lake import Lake


class VersionStep(TypedDict):
    """Two consecutive versions of a report, and what differs between them."""

    before: str
    after: str
    moved: list[str]


def compare_versions(lake: Lake, night: date, app: str) -> list[VersionStep]:
    """Compares each version of a night's report with the next, oldest first."""
    return [
        {"before": one.before, "after": one.version, "moved": [*one.moved]}
        for one in list_versions(lake, night, app)
        if one.before
    ]
