"""The traces that left a night because a later file re-dates them to another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from evals.storage.lake import Lake

Departures = Mapping[str, Mapping[str, tuple[tuple[Any, ...], bool]]]
"""By application and trace id: the row that dates it to another night, and whether its own file
dated it there first, so that it is refused."""


def read_departures(lake: Lake, night: date) -> Departures:
    """The traces that left a night."""
    found: dict[str, dict[str, list[Any]]] = lake.read_document(f"left/{night}.json") or {}
    return {
        app: {name: (tuple(row), conflict) for name, (row, conflict) in traces.items()}
        for app, traces in found.items()
    }


def write_departures(lake: Lake, night: date, traces: Departures) -> None:
    """Replaces the traces that left a night."""
    lake.replace_document(f"left/{night}.json", traces)
