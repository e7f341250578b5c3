"""The names that incidents have in reports, so that each keeps its own; one document of a home.

How an incident is named is in `evals.reports.decide.incidents`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.storage.lake import Lake

NAME = "incident_names.json"


class IncidentName(NamedTuple):
    """The name of an incident, and its first night when it was named."""

    app: str
    name: str
    first: date


def read_names(lake: Lake) -> list[IncidentName] | None:
    """Reads the names of all incidents; None where no report has written them yet."""
    return lake.read_document(NAME, parse_names)


def parse_names(rows: Sequence[Mapping[str, str]]) -> list[IncidentName]:
    """Returns the document as records."""
    return [IncidentName(row["app"], row["name"], date.fromisoformat(row["first"])) for row in rows]


def add_names(lake: Lake, names: Collection[IncidentName]) -> None:
    """Adds names to those there are; one that is there keeps its night."""
    with lake.lock("incident-names"):
        stored = read_names(lake)
        taken = {(one.app, one.name) for one in stored or ()}
        fresh = [one for one in names if (one.app, one.name) not in taken]
        if fresh or stored is None:
            rows = [
                {**one._asdict(), "first": one.first.isoformat()}
                for one in sorted([*(stored or ()), *fresh])
            ]
            lake.replace_document(NAME, rows)
