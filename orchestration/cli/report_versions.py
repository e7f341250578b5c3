"""The versions of a night's report as `andon report diff` shows them.

What differs between two of them is in `evals.reports.differences`.
"""

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import TypedDict

from evals.reports.versions import list_versions
from evals.storage.lake import Lake


class VersionStep(TypedDict):
    """Two consecutive versions of a report, and what differs between them."""

    before: str
    after: str
    moved: list[str]
    groups: dict[str, list[str]]
    """The same by what they are of: verdict, settings, versions, figures, traces."""


def compare_versions(lake: Lake, night: date, app: str) -> list[VersionStep]:
    """Compares each version of a night's report with the next, oldest first."""
    return [
        {
            "before": version.before,
            "after": version.version,
            "moved": [difference.text for difference in version.moved],
            "groups": {
                group: [difference.text for difference in differences]
                for group, differences in groupby(version.moved, key=lambda version: version.group)
            },
        }
        for version in list_versions(lake, night, app)
        if version.before
    ]


def describe_step(step: VersionStep) -> Iterator[str]:
    """Describes what differs between two versions: a line for each difference, under its group."""
    yield f"{step['before']} → {step['after']}: {'' if step['moved'] else 'nothing'}".rstrip()
    for group, texts in step["groups"].items():
        yield f"  {group}"
        yield from (f"    {text}" for text in texts)
