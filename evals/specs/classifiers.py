"""Classifiers as a team declares them, in `classifiers/NAME.yaml`.

What they compute is in `evals.classifiers`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from evals.specs.spec import NAME, Name, Reads, Spec

Feature = Literal["words", "opening", "characters", "overlap", "lengths", "numbers"]
Grouping = Literal["session", "source"]
READ = ("input", "context", "output")
"""The fields of a trace that a classifier can read."""


class Teacher(Spec):
    """Whose verdicts a classifier learns, where it is not people."""

    judge: Name = Field(pattern=NAME, description="a judge that agrees with people")


class Classifier(Spec):
    """A classifier that is trained from verdicts, in `classifiers/NAME.yaml`."""

    classifier: Name = Field(pattern=NAME)
    dimension: Name = Field(
        pattern=NAME, description="the dimension of a suite whose labels it learns from"
    )
    apps: tuple[str, ...] = Field(
        default=(),
        description="the applications whose labels it learns from; empty: every one whose suite "
        "has the dimension",
    )
    learns_from: Literal["people"] | Teacher = Field(
        default="people",
        description="`people`, or `judge: NAME`: the verdicts of a judge that agrees with people",
    )
    reads: tuple[Reads, ...] = Field(
        default=("input", "output"),
        min_length=1,
        description="what it is shown: `input`, `context`, `output`; it judges the output, and "
        "takes the others as its source",
    )
    features: tuple[Feature, ...] = Field(
        default=("words", "opening", "characters", "overlap", "lengths", "numbers"),
        min_length=1,
        description="what it computes of them: hashed `words`, the `opening`, `characters`, the "
        "`overlap` with the source, `lengths`, and `numbers` that the source lacks",
    )
    embeddings: str | None = Field(
        default=None,
        description="a folder of static embeddings in the form of model2vec, relative to the "
        "catalog; null: none",
    )
    recall: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="the share of the failing answers that it has to flag: chooses its threshold",
    )
    group: Grouping = Field(
        default="session",
        description="answers that are never both learned from and held out: those of one "
        "`session` (without one: of one source), or of one `source`, which is the context or else "
        "the input",
    )
    min_labels: int = Field(
        default=40, ge=20, description="labels to learn from, at least, with 10 of each verdict"
    )
    retrain_after: int = Field(
        default=50, ge=1, description="new labels after which a candidate is trained"
    )
    model: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{16}$",
        description="the promoted model; `andon classifier promote` writes it; null: none yet",
    )
    version: int = Field(default=1, description="raised to score again where no other key changed")

    @field_validator("reads")
    @classmethod
    def check_reads(cls, reads: tuple[Reads, ...]) -> tuple[Reads, ...]:
        """Accepts only fields that are texts."""
        unknown = [name for name in reads if name not in READ]
        if unknown:
            raise ValueError(f"a classifier reads {', '.join(READ)}; not {unknown[0]}")
        return reads

    @field_validator("features")
    @classmethod
    def order_features(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        """Returns each group once, in the order of the columns."""
        order = ("words", "opening", "characters", "overlap", "lengths", "numbers")
        return tuple(name for name in order if name in features)
