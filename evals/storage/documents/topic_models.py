"""The fitted models of each application's topics; a model never changes.

What is in one and what it means is `topics.topic_model`'s.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from evals.storage.lake import Lake, require_safe_name

FOLDER = "topic_models"


class StoredGroup(NamedTuple):
    """A topic of a model."""

    id: str
    """`MODEL.TOPIC`, both counted from 1."""
    label: str
    size: int
    centre: tuple[int, ...]
    least: float


class StoredModel(NamedTuple):
    """A model with the nights it was made from."""

    app: str
    number: int
    """From 1; each divides what those before it left over."""
    made: date
    """The night it was made for."""
    nights: tuple[date, ...]
    """The nights whose requests it was made from."""
    texts: int
    """Different requests that it was made from."""
    terms: tuple[str, ...]
    """Each of several people's requests."""
    weights: tuple[float, ...]
    unknown: float
    ignored: tuple[str, ...]
    width: int
    """Columns of `components`."""
    components: bytes
    """Whole numbers of 16 bits, least byte first, a row for each term."""
    groups: tuple[StoredGroup, ...]
    near: int = 0
    """The last terms that are words of an embedding's vocabulary, this many."""
    coverage: float = 0.25
    """The share of a request's squared weight that known terms must have."""


def name_model(app: str, number: int) -> str:
    """Returns the name of a model's file."""
    return f"{FOLDER}/{require_safe_name(f'{app}@{number:04}')}.json"


def list_model_names(lake: Lake, app: str) -> list[str]:
    """Lists the names of an application's models, the first made first, up to a gap."""
    names = set(lake.store.list_names(f"{FOLDER}/*.json"))
    found: list[str] = []
    while (name := name_model(app, len(found) + 1)) in names:
        found.append(name)
    return found


def read_models(lake: Lake, app: str) -> list[StoredModel]:
    """Reads an application's models, the first made first."""
    models = (read_model(lake, name) for name in list_model_names(lake, app))
    return [model for model in models if model]


def read_model(lake: Lake, name: str) -> StoredModel | None:
    """Reads a model; None if it does not exist.

    Raises:
        DamagedFileError: it is damaged.
    """
    return lake.read_document(name, parse_model)


def parse_model(row: Mapping[str, Any]) -> StoredModel:
    """Returns the document as a record.

    Raises:
        ValueError: its parts do not fit each other.
    """
    model = StoredModel(
        app=row["app"],
        number=row["number"],
        made=date.fromisoformat(row["made"]),
        nights=tuple(map(date.fromisoformat, row["nights"])),
        texts=row["texts"],
        terms=tuple(row["terms"]),
        weights=tuple(row["weights"]),
        unknown=row["unknown"],
        ignored=tuple(row["ignored"]),
        width=row["width"],
        components=base64.b64decode(row["components"]),
        groups=tuple(
            StoredGroup(
                group["id"], group["label"], group["size"], tuple(group["centre"]), group["least"]
            )
            for group in row["groups"]
        ),
        near=row.get("near", 0),
        coverage=row.get("coverage", 0.25),
    )
    expected = 2 * model.width * len(model.terms)
    widths = {len(group.centre) for group in model.groups}
    if len(model.components) != expected or widths != {model.width}:
        raise ValueError("the coordinates have another shape than the terms")
    if len(model.weights) != len(model.terms):
        raise ValueError("there is not one weight a term")
    return model


def write_model(lake: Lake, model: StoredModel) -> None:
    """Stores a model; survives a power cut."""
    row = model._asdict() | {
        "made": model.made.isoformat(),
        "nights": [night.isoformat() for night in model.nights],
        "components": base64.b64encode(model.components).decode(),
        "groups": [group._asdict() for group in model.groups],
    }
    lake.replace_document(name_model(model.app, model.number), row, durable=True)
