"""What is watched of a classifier's inputs: whether they are distributed as when it was trained.

The index and its noise are `evals.statistics.drift`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evals.classifiers.cards import Watched
from evals.classifiers.features import WORD, Material, compute_overlap, split_sentences
from evals.statistics import (
    Drift,
    choose_edges,
    compare_counts,
    count_bins,
    count_independent,
)

LEAST = 50
"""Subjects from which on a distribution is compared."""
ALPHA = 0.01
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
    session: str = ""
    """Those of one session move together; empty: it is its own."""


NAMES = Observed._fields[:-1]
"""The values that are watched."""


def observe(material: Material, failing: float, session: str = "") -> Observed:
    """Returns the watched values of a subject."""
    text = material.text
    _, overlap = compute_overlap(material)[0]
    words, sentences = len(WORD.findall(text)), len(split_sentences(text))
    return Observed(failing, len(text), words, sentences, overlap, session)


def describe_reference(observed: Sequence[Observed]) -> list[Watched]:
    """Describes the distribution of each watched value when the classifier was trained."""
    described: list[Watched] = []
    for i, name in enumerate(NAMES):
        values = [float(one[i]) for one in observed]
        edges = choose_edges(values) if values else ()
        if edges:
            counts = count_bins(values, edges)
            size = measure_size(values, edges, observed)
            described.append(
                Watched(name=name, edges=edges, counts=tuple(counts), independent=size)
            )
    return described


def measure_size(
    values: Sequence[float], edges: Sequence[float], observed: Sequence[Observed]
) -> float:
    """Measures how many independent values those of some sessions are worth."""
    bins = [bisect_right(edges, value) for value in values]
    sessions = [one.session or i for i, one in enumerate(observed)]
    return round(count_independent(bins, sessions), 2)


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
    return [compare_value(one, observed, ALPHA / len(watched)) for one in watched]


def compare_value(watched: Watched, observed: Sequence[Observed], alpha: float) -> Shift:
    """Compares one watched value with its reference.

    A reference of an older Andon is taken to have sessions as tonight's are.
    """
    values = [float(value[NAMES.index(watched.name)]) for value in observed]
    size, n = measure_size(values, watched.edges, observed), sum(watched.counts)
    before = watched.independent or max(1.0, n * size / len(values))
    counts = count_bins(values, watched.edges)
    drift = compare_counts(watched.counts, counts, alpha, (before, size))
    return Shift(watched.name, len(values), drift)
