"""scikit-learn's logistic regression and skops's file format, as functions of plain values.

The only module here that imports them, which takes a second or more; they ship no types.
"""

from __future__ import annotations

import importlib
import io
import json
import operator
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple, TypedDict

from evals.classifiers.features import Vector
from evals.records import Json
from evals.specs.classifiers import Feature
from evals.specs.spec import Reads

SEED = 0
STRENGTH = 10.0
"""The inverse of the regularisation, chosen on public data of two kinds."""


class Line(NamedTuple):
    """A logistic regression."""

    weights: tuple[float, ...]
    """One a column."""
    intercept: float

    def decide(self, vector: Vector) -> float:
        """Returns the decision value: above 0 it leans to fail."""
        weights = map(self.weights.__getitem__, vector.columns)
        return self.intercept + sum(map(operator.mul, weights, vector.values))


class Stored(TypedDict):
    """What a stored model states beside its estimators."""

    features: list[Feature]
    reads: list[Reads]
    threshold: float
    embeddings: str
    behaviour: int


def fit_line(
    vectors: Sequence[Vector], failed: Sequence[bool], width: int, *, weigh: bool = True
) -> Line:
    """Fits a logistic regression of failing on features.

    Args:
        vectors: the features of each example.
        failed: whether it failed; there are both.
        width: the number of columns.
        weigh: whether both verdicts weigh the same in sum.
    """
    linear: Any = importlib.import_module("sklearn.linear_model")
    balance = "balanced" if weigh else None
    model = linear.LogisticRegression(
        C=STRENGTH, solver="liblinear", class_weight=balance, random_state=SEED, max_iter=1000
    )
    model.fit(build_matrix(vectors, width), list(failed))
    return Line(tuple(map(float, model.coef_[0])), float(model.intercept_[0]))


def fit_calibration(decisions: Sequence[float], failed: Sequence[bool]) -> Line:
    """Fits Platt's calibration: a logistic regression of failing on the decision value."""
    linear: Any = importlib.import_module("sklearn.linear_model")
    model = linear.LogisticRegression(C=1000.0, solver="lbfgs", max_iter=1000)
    model.fit([[value] for value in decisions], list(failed))
    return Line((float(model.coef_[0][0]),), float(model.intercept_[0]))


def build_matrix(vectors: Sequence[Vector], width: int) -> Any:
    """Returns vectors as a sparse matrix, one a row."""
    sparse: Any = importlib.import_module("scipy.sparse")
    starts = [0]
    for vector in vectors:
        starts.append(starts[-1] + len(vector.columns))
    columns = [column for vector in vectors for column in vector.columns]
    values = [value for vector in vectors for value in vector.values]
    return sparse.csr_matrix((values, columns, starts), shape=(len(vectors), width))


def split_folds(groups: Sequence[str], failed: Sequence[bool], folds: int) -> list[list[int]]:
    """Splits examples into folds, those of one group together and the verdicts balanced."""
    selection: Any = importlib.import_module("sklearn.model_selection")
    splitter = selection.StratifiedGroupKFold(folds, shuffle=True, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a verdict with fewer groups than folds
        splits = splitter.split([[0]] * len(groups), list(failed), list(groups))
        return [[int(i) for i in held_out] for _, held_out in splits]


def build_estimator(line: Line) -> Any:
    """Returns a logistic regression as scikit-learn's estimator."""
    numpy: Any = importlib.import_module("numpy")
    linear: Any = importlib.import_module("sklearn.linear_model")
    model = linear.LogisticRegression()
    model.coef_, model.intercept_ = numpy.array([line.weights]), numpy.array([line.intercept])
    model.classes_ = numpy.array([False, True])
    model.n_features_in_ = len(line.weights)
    return model


def dump_estimators(line: Line, calibration: Line, settings: Stored) -> bytes:
    """Returns both estimators and the settings as the bytes of a skops file."""
    skops: Any = importlib.import_module("skops.io")
    stored = {
        "classifier": build_estimator(line),
        "calibration": build_estimator(calibration),
        "settings": json.dumps(settings, sort_keys=True),
    }
    return make_stable(skops.dumps(stored))


def load_estimators(data: bytes) -> tuple[Line, Line, Stored]:
    """Reads a skops file; types that are not scikit-learn's or numpy's are refused."""
    skops: Any = importlib.import_module("skops.io")
    stored = skops.loads(data, trusted=[])
    lines = [
        Line(tuple(map(float, one.coef_[0])), float(one.intercept_[0]))
        for one in (stored["classifier"], stored["calibration"])
    ]
    return lines[0], lines[1], json.loads(stored["settings"])


def make_stable(data: bytes) -> bytes:
    """Returns a skops file whose bytes depend on its contents alone.

    skops numbers objects by their addresses in memory, and the archive has the time of writing.
    """
    stable = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stable, "w") as new:
        schema: dict[str, Json] = json.loads(old.read("schema.json"))
        numbers: dict[Json, int] = {}
        files: dict[str, str] = {}
        renumber(schema, numbers, files)
        contents = {"schema.json": json.dumps(schema).encode()}
        contents |= {new_name: old.read(name) for name, new_name in files.items()}
        for name in sorted(contents):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, contents[name])
    return stable.getvalue()


def renumber(node: Json, numbers: dict[Json, int], files: dict[str, str]) -> None:
    """Replaces the addresses in a schema by numbers in the order in which they occur, in place.

    Args:
        node: a part of the schema.
        numbers: receives the number of each address.
        files: receives the new name of each file.
    """
    if isinstance(node, list):
        for one in node:
            renumber(one, numbers, files)
    if not isinstance(node, dict):
        return
    if "__id__" in node:
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
    file = node.get("file")
    if isinstance(file, str):
        node["file"] = files.setdefault(file, f"{len(files)}{PurePath(file).suffix}")
    for one in node.values():
        renumber(one, numbers, files)
