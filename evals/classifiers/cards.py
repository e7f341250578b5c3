"""The card of a trained classifier: what it learned from, and how well it agrees.

A card is stored beside its model. Nothing is measured here.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from evals.classifiers.fitting import Compared, CurvePoint, Measured
from evals.specs.classifiers import Feature, Grouping
from evals.specs.spec import Reads
from evals.statistics import Estimate


class Record(BaseModel):
    """A part of a card: frozen; keys of a newer Andon are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Interval(Record):
    """A rate with its 95% interval, clustered by group."""

    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, estimate: Estimate) -> Interval:
        """Returns an estimate with four decimals."""
        return cls(
            rate=round(estimate.value, 4), low=round(estimate.low, 4), high=round(estimate.high, 4)
        )


class Figures(Record):
    """Agreement with labels; the positive class is pass."""

    tp: int
    fn: int
    fp: int
    tn: int
    tpr: Interval
    tnr: Interval
    balanced: Interval
    """The mean of TPR and TNR."""
    f1: float
    """Of the failing answers."""

    @classmethod
    def of(cls, measured: Measured) -> Figures:
        """Returns what was measured."""
        labels = measured.labels
        return cls(
            tp=labels.tp,
            fn=labels.fn,
            fp=labels.fp,
            tn=labels.tn,
            tpr=Interval.of(measured.tpr),
            tnr=Interval.of(measured.tnr),
            balanced=Interval.of(measured.balanced),
            f1=round(measured.f1, 4),
        )


class Baseline(Record):
    """A trivial classifier, or the ablation, on the same labels."""

    name: str
    cross_validated: Figures
    held_out: Figures | None

    @classmethod
    def of(cls, compared: Compared) -> Baseline:
        """Returns what was measured."""
        held_out = compared.held_out
        return cls(
            name=compared.name,
            cross_validated=Figures.of(compared.cross_validated),
            held_out=Figures.of(held_out) if held_out else None,
        )


class Learned(Record):
    """A point of the learning curve."""

    n: int
    """Labels that were learned from."""
    balanced: Interval

    @classmethod
    def of(cls, point: CurvePoint) -> Learned:
        """Returns a point."""
        return cls(n=point.n, balanced=Interval.of(point.balanced))


class Watched(Record):
    """The distribution of one value when the classifier was trained."""

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    independent: float | None = None
    """How many independent values they are worth: those of a session move together. None in the
    card of an older Andon."""


class Data(Record):
    """What a classifier learned from."""

    passes: int
    fails: int
    groups: int
    first: str | None
    """The first night."""
    last: str | None
    hash: str
    """Of every example: its id, its verdict and its texts."""
    held_out_passes: int
    held_out_fails: int


class Card(Record):
    """What is known of a trained classifier."""

    classifier: str
    model: str
    dimension: str
    learns_from: str
    """`people`, or `judge NAME`."""
    reads: tuple[Reads, ...]
    features: tuple[Feature, ...]
    embeddings: str = ""
    group: Grouping
    recall: float
    """The share of failing answers that its threshold was chosen to flag."""
    threshold: float
    data: Data
    cross_validated: Figures
    """On what it learned from, each example judged without its group."""
    held_out: Figures | None
    """On people's labels that it never learned from; null: there are none yet."""
    baselines: tuple[Baseline, ...]
    curve: tuple[Learned, ...]
    """Agreement on the held-out labels against the number of labels learned from."""
    reference: tuple[Watched, ...]
    """Its inputs when it was trained."""
    libraries: dict[str, str]
    """Their versions."""
    trained: str
    """When, in ISO form."""
