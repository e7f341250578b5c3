"""Which reports people blessed as the baseline of an application, in the order of their decisions.

How a night is compared with one is in `evals.reports.decide.blessed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.storage.lake import Lake

NAME = "blessed_baselines.json"
BLESS, DROP = "bless", "drop"


class StoredBaseline(NamedTuple):
    """A person's decision: a blessed report, or that there is none any more."""

    app: str
    action: str
    """`bless` or `drop`."""
    night: date
    """Of the report."""
    version: str
    """Of the report."""
    first: date
    """The first night that the decision counts for."""
    by: str
    reason: str
    time: str
    """When it was made, in ISO form."""


def read_baselines(lake: Lake, app: str | None = None) -> list[StoredBaseline]:
    """Reads the decisions on an application's baseline, or on all, oldest first."""
    every = lake.read_document(NAME, parse_baselines) or []
    return [one for one in every if app in (None, one.app)]


def find_baseline(lake: Lake, app: str, night: date) -> StoredBaseline | None:
    """Finds the blessed baseline that a night is compared with; None where there is none."""
    last = [one for one in read_baselines(lake, app) if one.first <= night][-1:]
    return next((one for one in last if one.action == BLESS and one.night < night), None)


def parse_baselines(rows: Sequence[Mapping[str, str]]) -> list[StoredBaseline]:
    """Returns the document as records."""
    return [
        StoredBaseline(
            app=row["app"],
            action=row["action"],
            night=date.fromisoformat(row["night"]),
            version=row["version"],
            first=date.fromisoformat(row["first"]),
            by=row["by"],
            reason=row["reason"],
            time=row["time"],
        )
        for row in rows
    ]


def add_baseline(lake: Lake, baseline: StoredBaseline) -> None:
    """Adds a decision after those there are; survives a power cut."""
    with lake.lock("blessed-baselines"):
        every = [*read_baselines(lake), baseline]
        rows = [
            {**one._asdict(), "night": one.night.isoformat(), "first": one.first.isoformat()}
            for one in every
        ]
        lake.replace_document(NAME, rows, durable=True)
