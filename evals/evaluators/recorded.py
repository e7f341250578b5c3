"""Recorded verdicts: the labels that others gave a trace, mapped to pass or fail.

Nothing is judged here; the scores of each annotator go under a name of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.label_verdicts import PEOPLE, decide_people, describe_vote, pool_labels
from evals.evaluators.protocol import (
    Configuration,
    Declaration,
    Evaluate,
    EvaluatorByCode,
    Finding,
)
from evals.records import Trace, digest, encode_canonical
from evals.specs import Evaluator, TraceField
from evals.specs.label_rules import LabelRules

NO_LABELS = encode_canonical([])
"""The content of a subject without labels."""
EARLIER_ONLY = encode_canonical(["earlier wording"])
"""The content of a subject that has people's labels of an earlier wording alone."""


@dataclass(frozen=True)
class RecordedVerdicts(EvaluatorByCode):
    """The verdicts of outside judges, of rules, and of people."""

    name: str = "recorded"
    kind: str = "recorded"
    reads: tuple[TraceField, ...] = ("input", "context", "output")
    """A label is bound to these."""
    params: type[LabelRules] = LabelRules
    behaviour: int = 1
    evaluates_unanswered: bool = True
    """People may have judged what a request that failed showed its user."""
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
        """Returns every annotator's label of a trace under the present wording, as bytes."""
        rules = LabelRules.model_validate(evaluator.params)
        labels = references.labels_on(trace, evaluator.labels, evaluator.question)
        if not labels.is_decidable:
            return EARLIER_ONLY
        votes = [describe_vote(evaluator.dimension, rules, one) for one in labels.votes]
        return encode_canonical(votes)

    def gives_none(self, evaluator: Evaluator, content: bytes) -> bool:
        """Whether a subject has no label that counts, and the rules imply no verdict of that."""
        if content == EARLIER_ONLY:
            return True
        if content != NO_LABELS:
            return False
        return LabelRules.model_validate(evaluator.params).unlabelled is None

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Returns one finding per annotator; people share one."""
        rules = LabelRules.model_validate(evaluator.params)
        people = [f"{evaluator.dimension}.{kind}" for kind in PEOPLE]

        def evaluate_one(trace: Trace) -> list[Finding]:
            by_name = references.recorded_labels(evaluator, trace)
            findings = [Finding(pool_labels(rules, by_name[who]), who) for who in sorted(by_name)]
            if any(finding.annotator in people for finding in findings):
                return findings
            if not references.labels_on(trace, evaluator.labels, evaluator.question).is_decidable:
                return findings
            implied = decide_people(rules, ())
            return findings if implied is None else [*findings, Finding(implied, people[0])]

        return evaluate_one


RECORDED = RecordedVerdicts()
