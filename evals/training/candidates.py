"""Trains candidates, compares them with the promoted model, and proposes; a person promotes.

What is learned from is collected by `examples`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Literal, NamedTuple

from evals.classifiers import embeddings, fitting
from evals.classifiers.cards import Baseline, Card, Data, Figures, Learned, Watched
from evals.classifiers.features import WIDTH, Material, compute_vector, read_material
from evals.classifiers.fitting import Example, Fitted, TooFewExamples
from evals.classifiers.model import Model, pack_model, unpack_model
from evals.classifiers.watching import Observed, describe_reference, observe
from evals.evaluators.classifiers import identify, read_shipped
from evals.records import Trace
from evals.specs import Catalog, Classifier, Teacher
from evals.statistics.judges_compared import (
    Compared,
    Decided,
    JudgeDifference,
    compare_judges,
)
from evals.storage.documents.trained_models import (
    StoredModel,
    find_model,
    list_models,
    read_model,
    write_model,
)
from evals.storage.lake import Lake
from evals.training.examples import Collected, Judged, collect, collect_held_out, list_apps
from evals.worklist.sampling import compute_place

MOST_OBSERVED = 5000
"""Traces of the nights it learned from by which a classifier's inputs are described."""


class Candidate(NamedTuple):
    """A trained model that nobody has promoted yet, or the promoted one."""

    model: Model
    card: Card


def train(lake: Lake, catalog: Catalog, spec: Classifier, now: datetime) -> Candidate:
    """Trains a classifier from the verdicts there are, measures it, and stores it.

    Raises:
        NotAligned: it learns from a judge that may not decide.
        TooFewExamples: there are too few verdicts, or of one kind only.
        EmbeddingsError: its embeddings cannot be used.
    """
    collected = collect(lake, catalog, spec)
    if len(collected.learned) < spec.min_labels:
        raise TooFewExamples(
            f"{len(collected.learned)} verdicts to learn from (`min_labels` is {spec.min_labels}); "
            f"{len(collected.held_out)} more are held out to measure it"
        )
    folder = open_embeddings(catalog, spec)
    width = WIDTH + (folder.width if folder else 0)
    learned = build_examples(collected.learned, spec, folder)
    held_out = build_examples(collected.held_out, spec, folder)
    fitted = fitting.fit(learned, width, spec.recall)
    digest = embeddings.digest_folder(folder.path) if folder else ""
    model = fitting.build_model(fitted, spec.features, spec.reads, digest)
    reference = list(observe_nights(lake, catalog, spec, collected, fitted, (model, folder)))
    figures = Evaluation(
        cross_validated=fitting.measure_folds(fitted, learned),
        held_out=fitting.measure_fitted(fitted, held_out) if held_out else None,
        compared=fitting.compare_variants(learned, held_out, width, spec.recall),
        curve=fitting.draw_curve(learned, held_out, width, spec.recall),
    )
    card = build_card(spec, model, collected, figures, describe_reference(reference), now)
    write_model(
        lake,
        StoredModel(spec.classifier, card.model, card.model_dump(mode="json"), pack_model(model)),
    )
    return Candidate(model, card)


class Evaluation(NamedTuple):
    """What was measured of a model."""

    cross_validated: fitting.Measured
    held_out: fitting.Measured | None
    compared: list[fitting.Compared]
    curve: list[fitting.CurvePoint]


def open_embeddings(catalog: Catalog, spec: Classifier) -> embeddings.Folder | None:
    """Opens the embeddings a classifier declares."""
    return embeddings.open_folder(catalog.root / spec.embeddings) if spec.embeddings else None


def build_examples(
    judged: Iterable[Judged], spec: Classifier, folder: embeddings.Folder | None
) -> list[Example]:
    """Returns subjects with verdicts as features."""
    return [
        Example(
            compute_vector(
                one.material, spec.features, folder.embed(one.material.text) if folder else ()
            ),
            one.passed,
            one.group,
        )
        for one in judged
    ]


def build_card(
    spec: Classifier,
    model: Model,
    collected: Collected,
    figures: Evaluation,
    reference: Sequence[Watched],
    now: datetime,
) -> Card:
    """Builds a model's card."""
    nights = sorted({one.night for one in collected.learned})
    passes = sum(one.passed for one in collected.learned)
    held_out_passes = sum(one.passed for one in collected.held_out)
    teacher = spec.learns_from
    return Card(
        classifier=spec.classifier,
        model=identify(model),
        dimension=spec.dimension,
        learns_from=f"judge {teacher.judge}" if isinstance(teacher, Teacher) else teacher,
        reads=spec.reads,
        features=spec.features,
        embeddings=model.embeddings,
        group=spec.group,
        recall=spec.recall,
        threshold=model.threshold,
        data=Data(
            passes=passes,
            fails=len(collected.learned) - passes,
            groups=len({one.group for one in collected.learned}),
            first=nights[0].isoformat() if nights else None,
            last=nights[-1].isoformat() if nights else None,
            hash=collected.digest(),
            held_out_passes=held_out_passes,
            held_out_fails=len(collected.held_out) - held_out_passes,
        ),
        cross_validated=Figures.of(figures.cross_validated),
        held_out=Figures.of(figures.held_out) if figures.held_out else None,
        baselines=tuple(map(Baseline.of, figures.compared)),
        curve=tuple(map(Learned.of, figures.curve)),
        reference=tuple(reference),
        libraries={name: version(name) for name in ("scikit-learn", "skops")},
        trained=now.isoformat(timespec="seconds"),
    )


def observe_nights(
    lake: Lake,
    catalog: Catalog,
    spec: Classifier,
    collected: Collected,
    fitted: Fitted,
    scorer: tuple[Model, embeddings.Folder | None],
) -> Iterator[Observed]:
    """Yields the watched values of a sample of all traces of the nights it learned from.

    Those it learned from are judged without their group: else their P(fail) would be more certain
    than that of any answer to come.
    """
    known = {one.trace_id: p for one, p in zip(collected.learned, fitted.failing, strict=True)}
    nights, apps = sorted({one.night for one in collected.learned}), list_apps(catalog, spec)
    ids = [
        row["trace_id"]
        for night in nights
        for app in apps
        for rows in lake.stream_batches("traces", night, ("trace_id",), app)
        for row in rows
    ]
    chosen = set(sorted(ids, key=lambda one: compute_place(one, "reference"))[:MOST_OBSERVED])
    model, folder = scorer
    for night in nights:
        traces: Iterator[Trace] = lake.stream_night("traces", night, ("trace_id", chosen))
        for trace in traces:
            if trace.app in apps and (trace.has_answer or "output" not in spec.reads):
                material = read_material(trace, spec.reads)
                failing = known.get(trace.trace_id)
                if failing is None:
                    failing = model.estimate(material, folder)
                yield observe(material, failing, trace.session_id or "")


def load_candidate(
    lake: Lake, catalog: Catalog, spec: Classifier, model_id: str
) -> Candidate | None:
    """Loads a model of the home with its card; None where there is none, or it has no card."""
    stored = read_model(lake, spec.classifier, model_id) or find_model(lake, model_id)
    if stored is None or not stored.card:
        return None
    data = stored.skops or read_shipped(catalog.root, model_id)
    return Candidate(unpack_model(data), Card.model_validate(stored.card)) if data else None


def list_candidates(lake: Lake, catalog: Catalog, spec: Classifier) -> list[Candidate]:
    """Loads a classifier's models, the last trained first."""
    loaded = (
        load_candidate(lake, catalog, spec, name) for name in list_models(lake, spec.classifier)
    )
    return sorted(
        (one for one in loaded if one),
        key=lambda one: (one.card.trained, one.card.model),
        reverse=True,
    )


class Comparison(NamedTuple):
    """A candidate and the promoted model on the same held-out labels."""

    candidate: str
    incumbent: str | None
    n: int
    """Held-out labels that both were measured on."""
    candidate_figures: Figures | None
    incumbent_figures: Figures | None
    difference: JudgeDifference | None
    """Of their mean of TPR and TNR, with its paired 95% interval; None: not both measured."""

    @property
    def result(self) -> Decided | Literal["first"]:
        """Whether the candidate agrees with people more: `better`, `worse` or `undecided`."""
        if self.incumbent is None:
            return "first"
        return self.difference.result if self.difference else "undecided"


def compare(lake: Lake, catalog: Catalog, spec: Classifier, candidate: Candidate) -> Comparison:
    """Compares a candidate with the promoted model on the held-out labels there are now."""
    held_out = collect_held_out(lake, catalog, spec)
    incumbent = load_candidate(lake, catalog, spec, spec.model) if spec.model else None
    first = judge_all(catalog, spec, candidate.model, held_out)
    if incumbent is None or not held_out:
        figures = Figures.of(measure(first, held_out)) if held_out else None
        return Comparison(candidate.card.model, spec.model, len(held_out), figures, None, None)
    second = judge_all(catalog, spec, incumbent.model, held_out)
    answers = [
        Compared(one.passed, a == one.passed, b == one.passed, one.group)
        for a, b, one in zip(first, second, held_out, strict=True)
    ]
    return Comparison(
        candidate.card.model,
        spec.model,
        len(held_out),
        Figures.of(measure(first, held_out)),
        Figures.of(measure(second, held_out)),
        compare_judges(answers),
    )


def judge_all(
    catalog: Catalog, spec: Classifier, model: Model, judged: Sequence[Judged]
) -> list[bool]:
    """Returns a model's verdicts."""
    folder = open_embeddings(catalog, spec) if model.embeddings else None
    return [model.estimate(one.material, folder) < model.threshold for one in judged]


def measure(verdicts: Sequence[bool], judged: Sequence[Judged]) -> fitting.Measured:
    """Measures verdicts against people's."""
    empty = compute_vector(Material("", ""), ())
    return fitting.measure(verdicts, [Example(empty, one.passed, one.group) for one in judged])
