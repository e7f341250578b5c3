"""A night's inputs of each classifier beside those it was trained on, from stored scores.

What the figures mean is in `sections.classifiers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from evals.classifiers.cards import Card
from evals.classifiers.features import read_material
from evals.classifiers.watching import Observed, Shift, compare_inputs, observe
from evals.records import Score, Trace
from evals.specs import Evaluator
from evals.storage.documents.trained_models import find_model
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files
from evals.worklist.sampling import compute_place

MOST = 2000
"""Answers of a night whose distribution is compared."""


class Inputs(NamedTuple):
    """A classifier of a night, with its card and what moved."""

    evaluator: Evaluator
    card: Card
    shifts: list[Shift]


def watch_classifiers(lake: Lake, night: date, evaluators: Sequence[Evaluator]) -> list[Inputs]:
    """Compares the inputs of each classifier that has a card with those it was trained on."""
    found: list[Inputs] = []
    for evaluator in evaluators:
        model = evaluator.params.get("model")
        stored = find_model(lake, model) if isinstance(model, str) else None
        if stored and stored.card:
            card = Card.model_validate(stored.card)
            observed = list(observe_night(lake, night, evaluator, card))
            found.append(Inputs(evaluator, card, compare_inputs(card.reference, observed)))
    return found


def observe_night(lake: Lake, night: date, evaluator: Evaluator, card: Card) -> Iterator[Observed]:
    """Yields the watched values of a sample of the answers that a classifier judged."""
    scores: dict[str, float] = {}
    for file in list_locked_files(lake, "scores", [night]):
        if file.stem == f"{evaluator.name}@{evaluator.app}@{evaluator.version}":
            rows: Iterator[Score] = lake.stream_file("scores", file, ("status", ["scored"]))
            scores |= {one.trace_id: one.value for one in rows if one.value is not None}
    chosen = set(sorted(scores, key=lambda one: compute_place(one, "reference"))[:MOST])
    traces: Iterator[Trace] = lake.stream_night("traces", night, ("trace_id", chosen))
    for trace in traces:
        material, failing = read_material(trace, card.reads), 1 - scores[trace.trace_id]
        yield observe(material, failing, trace.session_id or "")
