"""What each provider's list of models said last: which models end, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from evals.storage.lake import Lake

NAME = "model_lists.json"


@dataclass(frozen=True)
class ModelList:
    """A provider's list."""

    read: date | None = None
    """The day it was fetched; None: it never was."""
    ends: Mapping[str, date] = field(default_factory=dict[str, date])
    """The last day of each model that has one."""
    tried: date | None = None
    """The day on which it could not be fetched."""


def read_model_lists(lake: Lake) -> dict[str, ModelList]:
    """The lists by the provider's address."""
    found: dict[str, dict[str, Any]] = lake.read_document(NAME) or {}
    return {address: of_row(row) for address, row in found.items()}


def of_row(row: Mapping[str, Any]) -> ModelList:
    """A list from its JSON."""
    read, tried = (
        date.fromisoformat(row[key]) if key in row else None for key in ("read", "tried")
    )
    ends = {model: date.fromisoformat(day) for model, day in row.get("ends", {}).items()}
    return ModelList(read, ends, tried)


def replace_model_list(lake: Lake, address: str, found: ModelList) -> None:
    """Replaces one provider's list."""
    row: dict[str, Any] = {}
    if found.read:
        row["read"] = found.read
        row["ends"] = dict(found.ends)
    if found.tried:
        row["tried"] = found.tried
    with lake.lock("model-lists"):
        lake.replace_document(NAME, {**(lake.read_document(NAME) or {}), address: row})
