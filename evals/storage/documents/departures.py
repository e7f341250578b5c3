"""The traces that left a night because a later file re-dates them to another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from evals.storage.lake import Lake

RowFields = tuple[int, int, str, bool, bool]
"""A row's file by its order of reading, its line, its content's hash, whether it is of spans, and
whether it has an answer."""
Departures = Mapping[str, Mapping[str, tuple[RowFields, bool]]]
"""By application and trace id: the row that dates it to another night, and whether its own file
dated it there first, so that it is refused."""


def read_departures(lake: Lake, night: date) -> Departures:
    """Reads the traces that left a night; a row stored without the last field has an answer."""
    return lake.read_document(f"left/{night}.json", parse_departures) or {}


def parse_departures(rows: Departures) -> Departures:
    """Returns the document as records."""
    return {
        app: {
            name: ((order, line, content, spans, all(rest)), conflict)
            for name, ((order, line, content, spans, *rest), conflict) in traces.items()
        }
        for app, traces in rows.items()
    }


def write_departures(lake: Lake, night: date, traces: Departures) -> None:
    """Replaces the traces that left a night."""
    lake.replace_document(f"left/{night}.json", traces)
