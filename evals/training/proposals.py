"""Trains again when enough labels came, and promotes what a person names.

How candidates are trained and compared is in `candidates`.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from evals.classifiers.cards import Card
from evals.classifiers.embeddings import EmbeddingsError
from evals.classifiers.fitting import TooFewExamples
from evals.evaluators.classifiers import locate_card, locate_classifier, locate_shipped
from evals.records import encode_canonical
from evals.specs import Catalog, CatalogError, Classifier
from evals.storage.documents.trained_models import read_model
from evals.storage.lake import Lake
from evals.training.candidates import Candidate, Comparison, compare, list_candidates, train
from evals.training.examples import Collected, NotAligned, collect
from evals.training.promoted_files import list_uncommitted, object_to, write_files

PROMOTE = "andon classifier promote {} {}"


class Proposal(NamedTuple):
    """What a person may do about a classifier now."""

    classifier: str
    now: str | None
    """The promoted model."""
    candidate: str | None
    """The last trained one; None: there is none."""
    trained: bool
    """Whether it was trained now."""
    comparison: Comparison | None
    why: str
    """What to do, or why there is nothing to propose."""


def propose_all(lake: Lake, catalog: Catalog, now: datetime) -> list[Proposal]:
    """Trains each classifier again that enough labels came for; promotes nothing."""
    return [propose(lake, catalog, spec, now) for _, spec in sorted(catalog.classifiers.items())]


def propose(lake: Lake, catalog: Catalog, spec: Classifier, now: datetime) -> Proposal:
    """Trains a classifier again if enough labels came, and compares it with the promoted model."""
    last = next(iter(list_candidates(lake, catalog, spec)), None)
    try:
        new = count_new(collect(lake, catalog, spec), last.card if last else None)
        is_due = new >= (spec.retrain_after if last else spec.min_labels)
        latest = train(lake, catalog, spec, now) if is_due else last
    except (NotAligned, TooFewExamples, EmbeddingsError) as error:
        return Proposal(spec.classifier, spec.model, None, False, None, str(error))
    if latest is None:
        why = f"{new} labels to learn from; `min_labels` is {spec.min_labels}"
        return Proposal(spec.classifier, spec.model, None, False, None, why)
    return describe_proposal(lake, catalog, spec, latest, new, trained=is_due)


def describe_proposal(
    lake: Lake, catalog: Catalog, spec: Classifier, latest: Candidate, new: int, *, trained: bool
) -> Proposal:
    """Returns what a person may do about the last trained model."""
    name = latest.card.model
    if name == spec.model:
        why = f"the promoted model is the last trained one; {new} labels came since"
        return Proposal(spec.classifier, spec.model, name, trained, None, why)
    comparison = compare(lake, catalog, spec, latest)
    command = PROMOTE.format(spec.classifier, name)
    why = {
        "first": f"no model is promoted yet: `{command}` promotes it",
        "better": f"it agrees with people more than the promoted model: `{command}` promotes it",
        "worse": "it agrees with people less than the promoted model: leave it",
        "undecided": "the held-out labels do not show which agrees with people more: leave it, "
        f"or `{command} --force`",
    }[comparison.result]
    return Proposal(spec.classifier, spec.model, name, trained, comparison, why)


def count_new(collected: Collected, last: Card | None) -> int:
    """Counts the labels that were added or changed since a model was trained."""
    if last is None:
        return len(collected.learned)
    if last.data.hash == collected.digest():
        return 0
    return max(1, len(collected.learned) - last.data.passes - last.data.fails)


def build_files(lake: Lake, catalog: Catalog, spec: Classifier, model: str) -> dict[Path, bytes]:
    """Builds what promoting a model writes: the model, its card, and last the classifier's YAML.

    Raises:
        CatalogError: the home has no such model, or the classifier has no file of its name.
    """
    stored = read_model(lake, spec.classifier, model)
    file = locate_classifier(catalog.root, spec.classifier)
    if stored is None:
        raise CatalogError(
            f"{file}: no model {model} of {spec.classifier} in the home; "
            f"`andon classifier list` lists them"
        )
    if not file.is_file():
        raise CatalogError(f"{file} does not exist; name the file after its classifier")
    return {
        locate_shipped(catalog.root, model): stored.skops,
        locate_card(catalog.root, model): encode_canonical(stored.card) + b"\n",
        file: set_model(file.read_text("utf-8"), model).encode(),
    }


def list_objections(
    lake: Lake, catalog: Catalog, spec: Classifier, candidate: Candidate
) -> list[str]:
    """Lists what speaks against promoting a model."""
    model = candidate.card.model
    found = [*list_uncommitted(build_files(lake, catalog, spec, model))]
    if spec.model in (None, model):
        return found
    compared = compare(lake, catalog, spec, candidate)
    if compared.result == "first":
        return found
    return [*found, *object_to(compared.result, f"`andon classifier compare {spec.classifier}`")]


def promote(lake: Lake, catalog: Catalog, spec: Classifier, model: str) -> list[Path]:
    """Promotes a model in the catalog's folder; returns the files to commit.

    Nights from then on are judged by it; a night that is reported keeps its model.

    Raises:
        CatalogError: the home has no such model, or the catalog's folder cannot be written.
    """
    files = build_files(lake, catalog, spec, model)
    write_files(files)
    *rest, file = files
    return [file, *rest]


def set_model(text: str, model: str) -> str:
    """Returns the YAML with `model` set: its line is replaced, or one is added at the end."""
    line = f'model: "{model}"'
    changed, n = re.subn(r"^model:[^\n#]*?(\s*#[^\n]*)?$", rf"{line}\1", text, flags=re.MULTILINE)
    return changed if n else f"{text.rstrip()}\n{line}\n"
