"""Classifiers as candidates for a judge: trained for a dimension that the judge decides.

How one is trained is in `evals.training`; what its evidence shows is measured as a judge's is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evals.calls.cost_estimate import Estimate
from evals.calls.requests import CallsResult
from evals.classifiers.embeddings import EmbeddingsError
from evals.classifiers.model import UnreadableModel
from evals.evaluators.classifiers import locate_classifier
from evals.realign.labelled_answers import LabelledAnswer, find_uses
from evals.realign.labelled_judge import LabelledJudge
from evals.records import Outcome
from evals.runs.runner import ScoringRun
from evals.specs import Classifier
from evals.storage.documents.trained_models import read_model
from evals.training.candidates import Candidate, list_candidates, open_embeddings
from evals.training.examples import collect_held_out, list_apps
from evals.training.proposals import set_model

Place = tuple[str, str, str]
"""Application, dimension and trace."""


@dataclass(frozen=True)
class ClassifierTrial:
    """A trained classifier on the labelled answers that it never learned from; makes no call."""

    spec: Classifier
    model: str
    file: str
    """The classifier's YAML as it would be."""
    verdicts: Mapping[Place, Outcome]
    ms_per_answer: float | None
    """None: it has nothing to judge yet."""

    def describe(self) -> str:
        """Describes how it was made."""
        took = self.ms_per_answer
        speed = f", {took:.2g} ms an answer" if took is not None else ""
        return f"the classifier {self.spec.classifier}, model {self.model}; no calls{speed}"

    def select(self, answers: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
        """Selects the answers that it never learned from."""
        return [one for one in answers if one.key in self.verdicts]

    def read(self, answers: Sequence[LabelledAnswer]) -> list[Outcome | None]:
        """Returns what it decides; None of an answer that it may have learned from."""
        return [self.verdicts.get(one.key) for one in answers]

    def count_calls(self, answers: Sequence[LabelledAnswer]) -> int:
        """Counts no calls."""
        del answers
        return 0

    def estimate(self, answers: Sequence[LabelledAnswer], *, paid_too: bool = False) -> Estimate:
        """Estimates no cost."""
        del answers, paid_too
        return Estimate()

    def can_ask(self) -> bool:
        """Whether it can judge here."""
        return True

    def ask(self, run: ScoringRun, answers: Sequence[LabelledAnswer]) -> CallsResult:
        """Asks nothing."""
        del run, answers
        return CallsResult()


def list_classifiers(work: LabelledJudge) -> Iterator[ClassifierTrial]:
    """Yields the last trained model of each classifier of a dimension that the judge decides."""
    for _, spec in sorted(work.catalog.classifiers.items()):
        if not list_places(work, spec):
            continue
        trained = next(iter(list_candidates(work.lake, work.catalog, spec)), None)
        if trained and read_model(work.lake, spec.classifier, trained.card.model):
            try:
                yield open_classifier(work, spec, trained)
            except (UnreadableModel, EmbeddingsError):
                continue  # `andon classifier list` and doctor give the reason


def list_places(work: LabelledJudge, spec: Classifier) -> list[tuple[str, str]]:
    """Lists the applications and dimensions of a judge that a classifier learns."""
    uses = find_uses(work.lake, work.catalog, work.judge)
    apps = set(list_apps(work.catalog, spec))
    own = [one for one in uses if one.app in apps and one.dimension == spec.dimension]
    return [(one.app, one.dimension) for one in own if one.subject == "trace"]


def open_classifier(work: LabelledJudge, spec: Classifier, trained: Candidate) -> ClassifierTrial:
    """Judges the held-out answers of a classifier, and measures how long that takes.

    Raises:
        CatalogError: no file has the classifier's name.
        EmbeddingsError: its embeddings cannot be used.
    """
    folder = open_embeddings(work.catalog, spec) if trained.model.embeddings else None
    places = set(list_places(work, spec))
    held_out = [
        one
        for one in collect_held_out(work.lake, work.catalog, spec)
        if (one.app, spec.dimension) in places
    ]
    began = work.clock()
    verdicts = {
        (one.app, spec.dimension, one.trace_id): trained.model.judge(one.material, folder)
        for one in held_out
    }
    took = round((work.clock() - began) * 1000 / len(held_out), 3) if held_out else None
    text = locate_classifier(work.catalog.root, spec.classifier).read_text("utf-8")
    model = trained.card.model
    return ClassifierTrial(spec, model, set_model(text, model), verdicts, took)
