"""Hallucination on RAGTruth's questions over passages: a classifier beside the trivial ones.

Answers are grouped by their passages. An answer with a span that people marked fails; one whose
spans are all `implicit_true` (true, but not in the passages) fails in the first side and passes in
the second.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evals.classifiers import fitting
from evals.classifiers.features import GROUPS, WIDTH, Material, Vector, compute_vector
from evals.classifiers.fitting import Example, Fitted
from evals.specs.classifiers import Feature
from tests.measure.data import find_folder, read_lines

SOURCE: tuple[Feature, ...] = ("overlap", "lengths", "numbers")
RECALL, RESAMPLES = 0.8, 1000
SIDES = {True: "implicit_true fails", False: "implicit_true passes"}


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields balanced accuracy and F1 of failing answers, by side and classifier."""
    folder = find_folder(data, "ragtruth_subset")
    traces = {row["trace_id"]: row for row in read_lines(folder / "traces.jsonl.gz")}
    labels = list(read_lines(folder / "labels.jsonl.gz"))
    kept = [row for row in labels if traces[row["trace_id"]]["context"]]
    for counts_implicit, side in SIDES.items():
        examples = [build_example(traces[row["trace_id"]], row, counts_implicit) for row in kept]
        yield from measure_side(side, examples)


def build_example(trace: dict[str, Any], label: dict[str, Any], counts_implicit: bool) -> Example:
    """Returns an answer with its features and people's verdict."""
    spans = [one for one in label["spans"] if counts_implicit or not one["implicit_true"]]
    source = f"{trace['context']}\n{trace['input'] or ''}"
    vector = compute_vector(Material(trace["output"] or "", source), tuple(GROUPS))
    return Example(vector, not spans, trace["context"])


def measure_side(side: str, examples: Sequence[Example]) -> Iterator[dict[str, Any]]:
    """Yields one row for each classifier."""

    def keep_source(vector: Vector) -> Vector:
        return fitting.select_groups(vector, SOURCE)

    always = [False] * len(examples)
    yield describe(side, "always flag", always, examples)
    chosen = {
        "length only": fitting.keep_lengths,
        "overlap, lengths, numbers": keep_source,
        "the same without lengths": lambda vector: fitting.drop_lengths(keep_source(vector)),
        "all features": lambda vector: vector,
    }
    for name, choose in chosen.items():
        own = [one._replace(vector=choose(one.vector)) for one in examples]
        fitted: Fitted = fitting.fit(own, WIDTH, RECALL)
        verdicts = [p < fitted.threshold for p in fitted.failing]
        yield describe(side, name, verdicts, examples)


def describe(
    side: str, name: str, verdicts: Sequence[bool], examples: Sequence[Example]
) -> dict[str, Any]:
    """Returns the figures of one classifier, cross-validated, with intervals by passages."""
    measured = fitting.measure(verdicts, examples)
    return {
        "side": side,
        "evaluator": name,
        "n": len(examples),
        "fails": sum(not one.passed for one in examples),
        "sources": len({one.group for one in examples}),
        "tpr": round(measured.tpr.value, 4),
        "tnr": round(measured.tnr.value, 4),
        "balanced": [round(x, 4) for x in measured.balanced],
        "f1": [round(measured.f1, 4), *resample_f1(verdicts, examples)],
    }


def resample_f1(verdicts: Sequence[bool], examples: Sequence[Example]) -> list[float]:
    """Returns the 95% interval of F1 by resampling passages."""
    cells: dict[str, list[tuple[bool, bool]]] = {}
    for verdict, one in zip(verdicts, examples, strict=True):
        cells.setdefault(one.group, []).append((verdict, one.passed))
    groups, rng = sorted(cells), random.Random(0)
    values: list[float] = []
    for _ in range(RESAMPLES):
        drawn = [cell for group in rng.choices(groups, k=len(groups)) for cell in cells[group]]
        found = drawn.count((False, False))
        missed, wrong = drawn.count((True, False)), drawn.count((False, True))
        values.append(2 * found / (2 * found + missed + wrong or 1))
    values.sort()
    return [round(values[int(RESAMPLES * q)], 4) for q in (0.025, 0.975)]
