"""Recorded verdicts: the labels that others gave a trace, mapped to pass or fail.

Nothing is judged here; the scores of each annotator go under a name of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from evals.evaluators.gold import GoldAndLabels, take_majority
from evals.evaluators.protocol import (
    Configuration,
    Declaration,
    Evaluate,
    EvaluatorByCode,
    Finding,
    Params,
)
from evals.records import Trace, digest, encode_canonical
from evals.specs import Evaluator, Reads


class RecordedParams(Params):
    """Params of `recorded`: the annotators' words as pass, fail or skip."""

    map: dict[str, str] = Field(default={})


@dataclass(frozen=True)
class RecordedVerdicts(EvaluatorByCode):
    """The verdicts of outside judges, of rules, and of people."""

    name: str = "recorded"
    kind: str = "recorded"
    reads: tuple[Reads, ...] = ("input", "context", "output")
    """A label is bound to these."""
    params: type[RecordedParams] = RecordedParams
    behaviour: int = 1
    is_sampled: ClassVar[bool] = False
    names_others: ClassVar[bool] = True

    def describe(self) -> str:
        """Returns when a subject passes."""
        return "Somebody else passed it."

    def configure(self, declared: Declaration) -> Configuration:
        """Resolves the labels it reads and how their words are mapped."""
        params = dict(declared.params)
        parts = {
            "labels": declared.labels,
            "mapping": digest(params),
            "behaviour": str(self.behaviour),
        }
        return Configuration(self.reads, parts, params)

    def evaluator_name(self, app: str, dimension: str, declared: str) -> str:
        """Returns a name beside that of the dimension's own evaluator."""
        return f"{app}.{dimension}.recorded"

    def content(self, evaluator: Evaluator, trace: Trace, references: GoldAndLabels) -> bytes:
        """Returns every label of a trace on the dimension, as bytes."""
        labels = references.labels_on(trace, evaluator.labels)
        return encode_canonical([[x.annotator, x.annotator_kind, x.verdict] for x in labels])

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Returns one finding per annotator; people share one."""
        mapping = RecordedParams.model_validate(evaluator.params).map

        def evaluate_one(trace: Trace) -> list[Finding]:
            by_annotator = sorted(references.recorded_labels(evaluator, trace).items())
            return [Finding(take_majority(mapping, labels), who) for who, labels in by_annotator]

        return evaluate_one


RECORDED = RecordedVerdicts()
