"""A fitted classifier: weights, a calibrated probability and a threshold; and its stored form.

Scores one subject after another without a library; only a stored form needs skops to be read.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from evals.classifiers import embeddings, scikit
from evals.classifiers.features import BEHAVIOUR, Material, compute_vector
from evals.records import Outcome
from evals.specs.classifiers import Feature
from evals.specs.spec import Reads

DECIMALS = 6
"""Of stored weights: what a library of another machine rounds otherwise is left out."""


class Model(NamedTuple):
    """A logistic regression over features, with its calibration and threshold."""

    features: tuple[Feature, ...]
    reads: tuple[Reads, ...]
    weights: tuple[float, ...]
    """One a column."""
    intercept: float
    slope: float
    offset: float
    """P(fail) is the logistic function of `slope` x decision + `offset`."""
    threshold: float
    """P(fail) from which an answer fails."""
    embeddings: str = ""
    """The digest of the folder of embeddings; empty without any."""
    behaviour: int = BEHAVIOUR
    """Of the features it was fitted to."""

    def estimate(self, material: Material, folder: embeddings.Folder | None = None) -> float:
        """Returns the calibrated probability that people would fail the subject."""
        point = folder.embed(material.text) if folder else ()
        vector = compute_vector(material, self.features, point)
        decision = scikit.Line(self.weights, self.intercept).decide(vector)
        return squash(self.slope * decision + self.offset)

    def judge(self, material: Material, folder: embeddings.Folder | None = None) -> Outcome:
        """Judges a subject; the value is the probability that it passes."""
        failing = self.estimate(material, folder)
        return Outcome(
            failing < self.threshold,
            round(1 - failing, 6),
            f"P(fail) {failing:.2f}, fails from {self.threshold:.2f} on",
        )


class UnreadableModel(ValueError):
    """A stored model that cannot be used here, with what to do."""


def squash(x: float) -> float:
    """Returns the logistic function."""
    if x < -700:
        return 0.0
    return 1 / (1 + math.exp(-x))


def round_weights(weights: Sequence[float]) -> tuple[float, ...]:
    """Returns weights with a fixed number of decimals."""
    return tuple(round(weight, DECIMALS) + 0.0 for weight in weights)


def pack_model(model: Model) -> bytes:
    """Returns a model in the form of skops: the same model gives the same bytes."""
    settings: scikit.Stored = {
        "features": list(model.features),
        "reads": list(model.reads),
        "threshold": model.threshold,
        "embeddings": model.embeddings,
        "behaviour": model.behaviour,
    }
    return scikit.dump_estimators(
        scikit.Line(model.weights, model.intercept),
        scikit.Line((model.slope,), model.offset),
        settings,
    )


@functools.lru_cache(maxsize=16)
def unpack_model(data: bytes) -> Model:
    """Reads a model in the form of skops.

    Raises:
        UnreadableModel: it is no such file, or of a newer Andon.
    """
    try:
        line, calibration, settings = scikit.load_estimators(data)
        model = Model(
            tuple(settings["features"]),
            tuple(settings["reads"]),
            line.weights,
            line.intercept,
            calibration.weights[0],
            calibration.intercept,
            settings["threshold"],
            settings["embeddings"],
            settings["behaviour"],
        )
    except ImportError as error:
        raise UnreadableModel(f"{error}; install `andon[platform]`") from error
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:200]
        raise UnreadableModel(f"it is not a classifier of Andon's ({problem})") from error
    if model.behaviour != BEHAVIOUR:
        raise UnreadableModel(
            f"it was fitted to features of number {model.behaviour}, and this Andon computes "
            f"number {BEHAVIOUR}; train it again with `andon classifier train`"
        )
    return model
