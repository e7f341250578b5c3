"""The trained models of classifiers, each with what was measured of it; a model never changes.

What a model is and what the figures mean is in `evals.classifiers` and `evals.training`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from evals.records import Json
from evals.storage.lake import Lake, require_safe_name

FOLDER = "classifiers"


class StoredModel(NamedTuple):
    """A model of a classifier."""

    classifier: str
    model: str
    """Its id: a hash of what its verdicts depend on."""
    card: dict[str, Json]
    """What it was trained from, and how well it agrees: see `evals.training.cards`."""
    skops: bytes
    """The model in the form of skops."""


def name_model(classifier: str, model: str) -> str:
    """Returns the name of a model's file."""
    return f"{FOLDER}/{require_safe_name(f'{classifier}@{model}')}.json"


def write_model(lake: Lake, stored: StoredModel) -> None:
    """Stores a model, unless it is stored; survives a power cut."""
    name = name_model(stored.classifier, stored.model)
    if lake.store.find_entry(name) is None:
        row = {**stored._asdict(), "skops": base64.b64encode(stored.skops).decode()}
        lake.replace_document(name, row, durable=True)


def read_model(lake: Lake, classifier: str, model: str) -> StoredModel | None:
    """Reads a model; None if it is not stored.

    Raises:
        DamagedFileError: it is damaged.
    """
    return lake.read_document(name_model(classifier, model), parse_model)


def parse_model(row: Mapping[str, Any]) -> StoredModel:
    """Returns the document as a record."""
    return StoredModel(row["classifier"], row["model"], row["card"], base64.b64decode(row["skops"]))


def list_models(lake: Lake, classifier: str) -> list[str]:
    """Lists the ids of a classifier's models, in no particular order."""
    names = lake.store.list_names(f"{FOLDER}/{classifier}@*.json")
    return [name.rpartition("@")[2].removesuffix(".json") for name in names]


def find_model(lake: Lake, model: str) -> StoredModel | None:
    """Finds a model by its id, whatever classifier's it is; None if it is not stored."""
    names = lake.store.list_names(f"{FOLDER}/*@{model}.json")
    return lake.read_document(sorted(names)[0], parse_model) if names else None


def read_skops(lake: Lake, model: str) -> bytes | None:
    """Reads the stored form of a model by its id; None if it is not stored."""
    stored = find_model(lake, model)
    return stored.skops if stored else None
