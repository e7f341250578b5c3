"""Fits a classifier to examples, and measures it: cross-validated, and on what was held out.

Examples of one group are never on both sides. Where examples come from is `evals.training`'s.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evals.classifiers import scikit
from evals.classifiers.features import Vector, drop_lengths, select_groups
from evals.classifiers.model import Model, round_weights, squash
from evals.classifiers.scikit import Line
from evals.specs.classifiers import Feature
from evals.specs.spec import Reads
from evals.statistics import Agreement, Estimate, Proportion, effective_n
from evals.statistics.judges_compared import average_rates
from evals.statistics.threads import run_alone

FOLDS = 5
LEAST_OF_EACH = 10
"""Examples of each verdict that a classifier is fitted to, at least."""
CURVE = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""The shares of the examples at which the learning curve has its points."""


class Example(NamedTuple):
    """A subject that people, or a judge, gave a verdict on."""

    vector: Vector
    passed: bool
    group: str
    """Examples of one group are learned from or held out together."""


class TooFewExamples(ValueError):
    """There are too few examples to fit a classifier."""


class Measured(NamedTuple):
    """How well verdicts agree with the examples' own; the positive class is pass."""

    labels: Agreement
    tpr: Estimate
    tnr: Estimate
    balanced: Estimate
    """The mean of TPR and TNR."""

    @property
    def f1(self) -> float:
        """The F1 of the failing answers."""
        found = self.labels.tn
        total = 2 * found + self.labels.fn + self.labels.fp
        return 2 * found / total if total else 0.0


class Fitted(NamedTuple):
    """A fitted line with its calibration and threshold."""

    line: Line
    calibration: Line
    threshold: float
    """P(fail) from which an answer fails."""
    failing: tuple[float, ...]
    """P(fail) of each example by a line that was fitted without its group."""

    def estimate(self, vector: Vector) -> float:
        """Returns P(fail)."""
        slope, offset = self.calibration.weights[0], self.calibration.intercept
        return squash(slope * self.line.decide(vector) + offset)


Choose = Callable[[Vector], Vector]


def fit(examples: Sequence[Example], width: int, recall: float) -> Fitted:
    """Fits a line, its calibration and its threshold to examples.

    Raises:
        TooFewExamples: there are fewer than ten of a verdict, or only one group of one.
    """
    folds = count_folds(examples)
    vectors, failed = [one.vector for one in examples], [not one.passed for one in examples]
    decisions = [0.0] * len(examples)
    with run_alone():
        for held_out in scikit.split_folds([one.group for one in examples], failed, folds):
            out = set(held_out)
            rest = [i for i in range(len(examples)) if i not in out]
            if len({failed[i] for i in rest}) < 2:
                raise TooFewExamples("all examples of one verdict are in one group")
            line = scikit.fit_line([vectors[i] for i in rest], [failed[i] for i in rest], width)
            for i in held_out:
                decisions[i] = line.decide(vectors[i])
        whole = scikit.fit_line(vectors, failed, width)
        calibration = scikit.fit_calibration(decisions, failed)
    line = Line(round_weights(whole.weights), *round_weights([whole.intercept]))
    calibration = Line(round_weights(calibration.weights), *round_weights([calibration.intercept]))
    slope, offset = calibration.weights[0], calibration.intercept
    failing = tuple(squash(slope * value + offset) for value in decisions)
    return Fitted(line, calibration, choose_threshold(failing, failed, recall), failing)


def count_folds(examples: Sequence[Example]) -> int:
    """Returns the number of folds that the examples suffice for.

    Raises:
        TooFewExamples: there are too few.
    """
    counts = Counter(one.passed for one in examples)
    groups = min(len({e.group for e in examples if e.passed is side}) for side in (True, False))
    if min(counts[True], counts[False]) < LEAST_OF_EACH or groups < 2:
        raise TooFewExamples(
            f"{counts[True]} passing and {counts[False]} failing examples to learn from; "
            f"{LEAST_OF_EACH} of each, of two groups at least, are needed"
        )
    return min(FOLDS, groups)


def choose_threshold(failing: Sequence[float], failed: Sequence[bool], recall: float) -> float:
    """Chooses the highest P(fail) at which the share of failing examples flagged is the recall."""
    ranked = sorted((p for p, bad in zip(failing, failed, strict=True) if bad), reverse=True)
    least = ranked[min(len(ranked), max(1, math.ceil(recall * len(ranked) - 1e-9))) - 1]
    below = max((p for p in failing if p < least), default=0.0)
    return round(max((least + below) / 2, math.nextafter(below, 1.0)), 6)


def build_model(
    fitted: Fitted, features: Sequence[Feature], reads: Sequence[Reads], embeddings: str
) -> Model:
    """Returns the model that is stored."""
    return Model(
        tuple(features),
        tuple(reads),
        fitted.line.weights,
        fitted.line.intercept,
        fitted.calibration.weights[0],
        fitted.calibration.intercept,
        fitted.threshold,
        embeddings,
    )


def measure(verdicts: Sequence[bool], examples: Sequence[Example]) -> Measured:
    """Measures verdicts (passed or not) against examples, clustered by their groups."""
    sides = tuple(measure_side(verdicts, examples, passed=side) for side in (True, False))
    (passes, right), (fails, caught) = sides
    tpr, tnr = (
        Estimate(side.rate if side.n else 0.0, *side.interval()) for side in (passes, fails)
    )
    labels = Agreement(tp=right, fn=passes.n - right, fp=fails.n - caught, tn=caught)
    return Measured(labels, tpr, tnr, average_rates(tpr, tnr))


def measure_side(
    verdicts: Sequence[bool], examples: Sequence[Example], *, passed: bool
) -> tuple[Proportion, int]:
    """Returns the share of examples of one verdict that got it, and how many did."""
    cells = [
        (one.group, verdict == passed)
        for verdict, one in zip(verdicts, examples, strict=True)
        if one.passed is passed
    ]
    right, n = sum(hit for _, hit in cells), len(cells)
    rate = right / n if n else 0.0
    residuals, sizes = Counter[str](), Counter[str]()
    for group, hit in cells:
        residuals[group] += hit - rate  # pyright: ignore[reportArgumentType]  a Counter of floats
        sizes[group] += 1
    squares = sum(value * value for value in residuals.values())
    size = effective_n(right, n, len(sizes), squares, sum(v * v for v in sizes.values()))
    return Proportion(right, n, size), right


class Variant(NamedTuple):
    """A classifier beside the one that is trained: what it is compared with."""

    name: str
    choose: Choose | None
    """Which features it has; None: it flags everything."""


def keep_lengths(vector: Vector) -> Vector:
    """Returns the lengths alone."""
    return select_groups(vector, ("lengths",))


VARIANTS = (
    Variant("always flag", None),
    Variant("length only", keep_lengths),
    Variant("without length", drop_lengths),
)


class Compared(NamedTuple):
    """A variant, measured."""

    name: str
    cross_validated: Measured
    held_out: Measured | None
    """None: nothing is held out."""


def compare_variants(
    examples: Sequence[Example], held_out: Sequence[Example], width: int, recall: float
) -> list[Compared]:
    """Measures the trivial baselines and the ablation, on the same examples."""
    return [compare_variant(one, examples, held_out, width, recall) for one in VARIANTS]


def compare_variant(
    variant: Variant,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    width: int,
    recall: float,
) -> Compared:
    """Fits a variant to its features, and measures it."""
    if variant.choose is None:
        flagged = measure([False] * len(examples), examples)
        out = measure([False] * len(held_out), held_out) if held_out else None
        return Compared(variant.name, flagged, out)
    choose = variant.choose
    own = [one._replace(vector=choose(one.vector)) for one in examples]
    fitted = fit(own, width, recall)
    out = measure_fitted(fitted, held_out, choose) if held_out else None
    return Compared(variant.name, measure_folds(fitted, examples), out)


def measure_folds(fitted: Fitted, examples: Sequence[Example]) -> Measured:
    """Measures a classifier on its own examples, each by a line fitted without its group."""
    return measure([p < fitted.threshold for p in fitted.failing], examples)


def measure_fitted(
    fitted: Fitted, examples: Sequence[Example], choose: Choose = lambda vector: vector
) -> Measured:
    """Measures a classifier on examples that it was not fitted to."""
    return measure(
        [fitted.estimate(choose(one.vector)) < fitted.threshold for one in examples], examples
    )


class CurvePoint(NamedTuple):
    """Agreement after learning from so many examples."""

    n: int
    balanced: Estimate


def draw_curve(
    examples: Sequence[Example], held_out: Sequence[Example], width: int, recall: float
) -> list[CurvePoint]:
    """Returns the agreement on what was held out against the number of examples learned from.

    Groups come in the order of their names, which are hashes; too few examples give no point.
    """
    if not held_out:
        return []
    ordered = sorted(examples, key=lambda one: one.group)
    points: list[CurvePoint] = []
    for part in CURVE:
        own = ordered[: math.ceil(part * len(ordered))]
        own += [one for one in ordered[len(own) :] if own and one.group == own[-1].group]
        try:
            fitted = fit(own, width, recall)
        except TooFewExamples:
            continue
        points.append(CurvePoint(len(own), measure_fitted(fitted, held_out).balanced))
    return points
