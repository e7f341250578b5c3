"""Which nights each batch of labels touches: those are due again when it comes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from evals.storage.lake import Lake

NAME = "label_batches.json"


def read_label_batches(lake: Lake) -> dict[str, tuple[date, ...]]:
    """The nights by the batch's name, oldest first."""
    found: dict[str, list[str]] = lake.read_document(NAME) or {}
    return {name: tuple(map(date.fromisoformat, nights)) for name, nights in found.items()}


def add_label_batches(lake: Lake, batches: Mapping[str, Collection[date]]) -> None:
    """Adds batches to those known."""
    known = {**read_label_batches(lake), **batches}
    rows = {name: [night.isoformat() for night in sorted(own)] for name, own in known.items()}
    lake.replace_document(NAME, rows)
