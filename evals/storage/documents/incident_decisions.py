"""What people decided on incidents, in the order in which they decided it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.storage.lake import Lake

NAME = "incident_decisions.json"


class StoredDecision(NamedTuple):
    """A person's decision on an incident."""

    app: str
    incident: str
    night: date
    """The first night whose report it counts for."""
    action: str
    """`accept` or `reopen`."""
    by: str
    reason: str
    time: str
    """When it was made, in ISO form."""


def read_decisions(lake: Lake, app: str) -> list[StoredDecision]:
    """Reads the decisions on an application's incidents, oldest first."""
    return [one for one in read_every_decision(lake) if one.app == app]


def read_every_decision(lake: Lake) -> list[StoredDecision]:
    """Reads the decisions on all incidents, oldest first."""
    return lake.read_document(NAME, parse_decisions) or []


def parse_decisions(rows: Sequence[Mapping[str, str]]) -> list[StoredDecision]:
    """Returns the document as records."""
    return [
        StoredDecision(
            app=row["app"],
            incident=row["incident"],
            night=date.fromisoformat(row["night"]),
            action=row["action"],
            by=row["by"],
            reason=row["reason"],
            time=row["time"],
        )
        for row in rows
    ]


def add_decision(lake: Lake, decision: StoredDecision) -> None:
    """Adds a decision after those there are; survives a power cut."""
    with lake.lock("incident-decisions"):
        every = [*read_every_decision(lake), decision]
        rows = [{**one._asdict(), "night": one.night.isoformat()} for one in every]
        lake.replace_document(NAME, rows, durable=True)
