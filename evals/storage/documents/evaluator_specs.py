"""The full specification of each evaluator version; late traces are scored under it."""

from __future__ import annotations

from evals.specs import Evaluator
from evals.storage.damage import explain_damage
from evals.storage.lake import Lake


def name_document(name: str, app: str, version: str) -> str:
    """Returns the name of a version's document."""
    return f"evaluators/{name}@{app}@{version}.json"


def write_evaluator(lake: Lake, evaluator: Evaluator) -> None:
    """Writes a version's specification, unless it is stored."""
    name = name_document(evaluator.name, evaluator.app, evaluator.version)
    if lake.store.find_entry(name) is None:
        lake.replace_document(name, evaluator.model_dump(mode="json", by_alias=True))


def read_evaluator_file(lake: Lake, name: str) -> Evaluator | None:
    """Reads the specification in a file of this name in the home."""
    return lake.read_document(name, Evaluator.model_validate)


def read_evaluator(lake: Lake, name: str, app: str, version: str) -> Evaluator:
    """Reads the specification of a version."""
    document = name_document(name, app, version)
    evaluator = read_evaluator_file(lake, document)
    if evaluator is None:
        raise explain_damage(lake.store.path(document))
    return evaluator
