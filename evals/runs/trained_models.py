"""Keeps promoted models in the home: a night that is locked to one needs it whatever comes later.

Models are trained and promoted in `evals.training`.
"""

from __future__ import annotations

import json
from pathlib import Path

from evals.evaluators.classifiers import CLASSIFIER, locate_card, read_shipped
from evals.records import Json
from evals.specs import Evaluator
from evals.storage.documents.trained_models import StoredModel, find_model, write_model
from evals.storage.lake import Lake


def keep_model(lake: Lake, root: Path, evaluator: Evaluator) -> None:
    """Stores the model of a classifier in the home, where only the catalog's folder has it."""
    model = evaluator.params.get("model") if evaluator.check == CLASSIFIER.name else None
    if not isinstance(model, str) or find_model(lake, model):
        return
    data, card = read_shipped(root, model), locate_card(root, model)
    if data:
        described: dict[str, Json] = json.loads(card.read_bytes() if card.is_file() else b"{}")
        name = str(described.get("classifier") or evaluator.name)
        write_model(lake, StoredModel(name, model, described, data))
