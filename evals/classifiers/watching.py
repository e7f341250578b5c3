"""What is watched of a classifier's inputs: whether they are distributed as when it was trained.

The index and its noise are `evals.statistics.drift`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evals.classifiers.cards import Watched
from evals.classifiers.features import WORD, Material, compute_overlap, split_sentences
from evals.statistics import Drift, choose_edges, compare_counts, count_bins

LEAST = 50
"""Subjects from which on a distribution is compared."""
ALPHA = 0.05
"""The chance that one night without drift shows any, over all that is watched."""


class Observed(NamedTuple):
    """The watched values of one subject."""

    failing: float
    """The classifier's P(fail)."""
    characters: float
    words: float
    sentences: float
    overlap: float
    """The share of the text's words that are in its source."""


def observe(material: Material, failing: float) -> Observed:
    """Returns the watched values of a subject."""
    text = material.text
    _, overlap = compute_overlap(material)[0]
    words, sentences = len(WORD.findall(text)), len(split_sentences(text))
    return Observed(failing, len(text), words, sentences, overlap)


def describe_reference(observed: Sequence[Observed]) -> list[Watched]:
    """Describes the distribution of each watched value when the classifier was trained."""
    described: list[Watched] = []
    for i, name in enumerate(Observed._fields):
        values = [one[i] for one in observed]
        edges = choose_edges(values) if values else ()
        if edges:
            counts = count_bins(values, edges)
            described.append(Watched(name=name, edges=edges, counts=tuple(counts)))
    return described


class Shift(NamedTuple):
    """One watched value tonight against the classifier's reference."""

    name: str
    n: int
    drift: Drift


def compare_inputs(reference: Iterable[Watched], observed: Sequence[Observed]) -> list[Shift]:
    """Compares tonight's inputs with the reference; too few subjects on a side show nothing."""
    watched = [one for one in reference if sum(one.counts) >= LEAST]
    if len(observed) < LEAST:
        return []
    shifts: list[Shift] = []
    for one in watched:
        values = [value[Observed._fields.index(one.name)] for value in observed]
        counts = count_bins(values, one.edges)
        drift = compare_counts(one.counts, counts, ALPHA / len(watched))
        shifts.append(Shift(one.name, len(values), drift))
    return shifts
