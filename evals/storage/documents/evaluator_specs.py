"""The whole specification of each evaluator version, so that a late trace is scored under it."""

from __future__ import annotations

from evals.specs import Evaluator
from evals.storage.lake import Lake


def name_of(name: str, app: str, version: str) -> str:
    """The name of a version's document."""
    return f"evaluators/{name}@{app}@{version}.json"


def write_evaluator(lake: Lake, evaluator: Evaluator) -> None:
    """Keeps a version, once."""
    name = name_of(evaluator.name, evaluator.app, evaluator.version)
    if lake.read_document(name) is None:
        lake.replace_document(name, evaluator.model_dump(mode="json", by_alias=True))


def read_evaluator(lake: Lake, name: str, app: str, version: str) -> Evaluator:
    """The specification of a version."""
    return Evaluator.model_validate(lake.read_document(name_of(name, app, version)))
