"""Classifiers: evaluators that were trained from people's labels, or from an aligned judge.

How one is fitted is in `evals.classifiers`, when and from what in `evals.training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evals.classifiers import embeddings
from evals.classifiers.features import BEHAVIOUR as FEATURES
from evals.classifiers.features import read_material
from evals.classifiers.model import Model, UnreadableModel, unpack_model
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import (
    Configuration,
    Declaration,
    Evaluate,
    EvaluatorByCode,
    Finding,
    Params,
    WrongDeclaration,
)
from evals.records import Failure, Json, Skip, Trace, digest
from evals.specs import Evaluator, TraceField

NOT_TRAINED = Skip("not-trained")
"""Why a classifier without a promoted model judges nothing."""


@dataclass(frozen=True)
class ClassifierEvaluator(EvaluatorByCode):
    """A classifier of the catalog: `classifiers/NAME.yaml` and its promoted model."""

    name: str = "classifier"
    kind: str = "classifier"
    reads: tuple[TraceField, ...] = ()
    """Declared in the classifier's file."""
    params: type[Params] = Params
    behaviour: int = FEATURES
    needs_alignment: bool = True
    names_specs: ClassVar[bool] = True

    def describe(self) -> str:
        """Returns when a subject passes."""
        return "The classifier's probability of a failure is below its threshold."

    def configure(self, declared: Declaration) -> Configuration:
        """Resolves a classifier; its promoted model is its version."""
        spec = declared.catalog.classifiers.get(declared.name)
        if spec is None:
            raise WrongDeclaration((self.kind,), f"no classifier {declared.name!r}")
        if declared.reads not in (None, spec.reads):
            fields = ", ".join(spec.reads)
            problem = f"the classifier {declared.name!r} reads {fields}; leave it out"
            raise WrongDeclaration(("reads",), problem)
        if declared.gold:
            raise WrongDeclaration(("gold",), "a classifier compares with no gold; leave it out")
        parts = {
            "model": digest(spec.model),
            "version": str(spec.version),
            **({"embeddings": spec.embeddings} if spec.embeddings else {}),
        }
        params: dict[str, Json] = {"model": spec.model, "embeddings": spec.embeddings}
        return Configuration(spec.reads, parts, params)

    def evaluator_name(self, app: str, dimension: str, declared: str) -> str:
        """Returns the classifier's own name, wherever it is used."""
        return declared

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Reads the model once; without a promoted one every subject is skipped."""
        model_id = evaluator.params["model"]
        if model_id is None:
            return lambda trace: (Finding(NOT_TRAINED),)
        try:
            model, folder = load_model(references, str(model_id), evaluator.params["embeddings"])
        except (UnreadableModel, embeddings.EmbeddingsError) as error:
            failure = Failure("no-model", f"model {model_id}: {error}", retryable=True)
            return lambda trace: (Finding(failure),)

        def evaluate_one(trace: Trace) -> tuple[Finding]:
            return (Finding(model.judge(read_material(trace, model.reads), folder)),)

        return evaluate_one


def load_model(
    references: GoldAndLabels, model_id: str, folder: str | None
) -> tuple[Model, embeddings.Folder | None]:
    """Loads a model with its embeddings.

    Raises:
        UnreadableModel: there is none, or it is another one than its name states.
        EmbeddingsError: its embeddings are not here, or others than it was fitted to.
    """
    data = references.read_model(model_id) if references.read_model else None
    data = data or read_shipped(references.root, model_id)
    if data is None:
        raise UnreadableModel(
            "neither in the home nor beside the catalog's classifiers; restore it, or train and "
            "promote the classifier again with `andon classifier`"
        )
    model = unpack_model(data)
    if identify(model) != model_id:
        raise UnreadableModel(f"the file holds the model {identify(model)}; restore it")
    if not model.embeddings:
        return model, None
    path = references.root / str(folder)
    if (found := embeddings.digest_folder(path)) != model.embeddings:
        raise embeddings.EmbeddingsError(
            f"{path} has other embeddings ({found}) than it was fitted to ({model.embeddings})"
        )
    return model, embeddings.open_folder(path)


def identify(model: Model) -> str:
    """Returns a model's id: a hash of everything that its verdicts depend on."""
    return digest(list(model))


def locate_classifier(root: Path, name: str) -> Path:
    """Returns the path of a classifier's file in a catalog."""
    return root / "classifiers" / f"{name}.yaml"


def locate_shipped(root: Path, model_id: str) -> Path:
    """Returns the path of a promoted model beside the catalog's classifiers."""
    return root / "classifiers" / f"{model_id}.skops"


def locate_card(root: Path, model_id: str) -> Path:
    """Returns the path of what was measured of a promoted model."""
    return root / "classifiers" / f"{model_id}.json"


def read_shipped(root: Path, model_id: str) -> bytes | None:
    """Reads a promoted model from the catalog's folder; None where it is not there."""
    path = locate_shipped(root, model_id)
    return path.read_bytes() if path.is_file() else None


CLASSIFIER = ClassifierEvaluator()
