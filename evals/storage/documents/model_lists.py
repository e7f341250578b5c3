"""Each provider's list of models as last fetched: which models end, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypedDict

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


class ModelListRow(TypedDict, total=False):
    """A provider's list as JSON: days in ISO form; absent where unknown."""

    read: str
    ends: dict[str, str]
    tried: str


def read_model_lists(lake: Lake) -> dict[str, ModelList]:
    """Reads the lists by the provider's address."""
    return lake.read_document(NAME, parse_model_lists) or {}


def parse_model_lists(rows: Mapping[str, ModelListRow]) -> dict[str, ModelList]:
    """Returns the document as records."""
    return {address: parse_model_list(row) for address, row in rows.items()}


def parse_model_list(row: ModelListRow) -> ModelList:
    """Returns a list from its JSON."""
    read = date.fromisoformat(row["read"]) if "read" in row else None
    tried = date.fromisoformat(row["tried"]) if "tried" in row else None
    ends = {model: date.fromisoformat(day) for model, day in row.get("ends", {}).items()}
    return ModelList(read, ends, tried)


def replace_model_list(lake: Lake, address: str, models: ModelList) -> None:
    """Replaces one provider's list."""
    with lake.lock("model-lists"):
        lists = {**read_model_lists(lake), address: models}
        rows = {address: describe_model_list(one) for address, one in lists.items()}
        lake.replace_document(NAME, rows)


def describe_model_list(models: ModelList) -> ModelListRow:
    """Returns a list as JSON."""
    row: ModelListRow = {}
    if models.read:
        row["read"] = models.read.isoformat()
        row["ends"] = {model: day.isoformat() for model, day in models.ends.items()}
    if models.tried:
        row["tried"] = models.tried.isoformat()
    return row
