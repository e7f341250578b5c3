"""A fitted model of topics, and the assignment of requests to them.

A model is fitted once and never changes; a later one only divides what it left over. How one is
fitted is in `fitting`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from evals.topics.tokens import list_terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int16]

SCALE = 10_000
"""Coordinates are stored as whole numbers of this part of one."""
BATCH = 1024
"""Requests whose coordinates are in memory at a time."""
LEAST_COVERAGE = 0.15
"""The share of a request's squared weight that known terms must have, in new models."""


class Group(NamedTuple):
    """The requests of one topic, as a place among the model's components."""

    terms: tuple[str, ...]
    """Those that set it apart, which are its label."""
    size: int
    """Different requests that it was made from."""
    centre: tuple[int, ...]
    """Its coordinates, of length `SCALE`."""
    least: float
    """The cosine with the centre that a request needs."""


class Match(NamedTuple):
    """A request's topic in a model."""

    group: int
    """Its position; -1: none of them."""
    cosine: float


NONE = Match(-1, 0.0)


@dataclass(frozen=True, eq=False)
class Projection:
    """Weights of terms, and their coordinates: what turns a request into a place."""

    weights: Mapping[str, float]
    """By term, in the order of the rows of `components`."""
    unknown: float
    """The weight of a term that is not among them."""
    components: Integers
    """One row a term, in parts of `SCALE`."""
    ignored: frozenset[str] = frozenset()
    """Function words, which have no weight."""
    near: frozenset[str] = frozenset()
    """Of the terms, words of an embedding's vocabulary, which need not be in any request."""
    coverage: float = LEAST_COVERAGE
    """The share of a request's squared weight that known terms must have."""

    @cached_property
    def positions(self) -> dict[str, int]:
        """The row of each term."""
        return {term: row for row, term in enumerate(self.weights)}

    def weigh_text(self, terms: Sequence[str]) -> dict[str, float]:
        """Returns the weight of each term of a request, known or not, as a vector of length 1."""
        weighed = {
            term: (1 + math.log(n)) * self.weights.get(term, self.unknown)
            for term, n in sorted(Counter(terms).items())
            if term not in self.ignored
        }
        norm = math.sqrt(math.fsum(weight * weight for weight in weighed.values()))
        return {term: weight / norm for term, weight in weighed.items()}

    def place_requests(self, texts: Sequence[Sequence[str]]) -> Floats:
        """Returns the coordinates of requests, each of length 1, or 0 where too little is known."""
        import numpy as np

        rows: list[int] = []
        weights: list[float] = []
        starts: list[int] = []
        placed: list[int] = []
        for number, terms in enumerate(texts):
            weighed = self.weigh_text(terms)
            known = {self.positions[t]: w for t, w in weighed.items() if t in self.positions}
            if math.fsum(w * w for w in known.values()) >= self.coverage:
                placed.append(number)
                starts.append(len(rows))
                rows += known
                weights += known.values()
        places = np.zeros((len(texts), self.components.shape[1]))
        if placed:
            parts = self.components[rows] * np.array(weights)[:, None]
            sums = np.add.reduceat(parts, starts, axis=0)
            lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))[:, None]
            places[placed] = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
        return places


@dataclass(frozen=True, eq=False)
class TopicModel:
    """Topics that were found together."""

    projection: Projection
    groups: tuple[Group, ...]

    def match_requests(self, texts: Sequence[str]) -> list[Match]:
        """Returns the topic of each request: the nearest, if it is near enough; ties to the first.

        Cosines are rounded before they are compared, so that the last bits decide nothing.
        """
        return [match for batch in split(texts) for match in self._match_batch(batch)]

    def _match_batch(self, texts: Sequence[str]) -> Iterator[Match]:
        import numpy as np

        centres = np.array([group.centre for group in self.groups], dtype=np.float64) / SCALE
        places = self.projection.place_requests([list_terms(text) for text in texts])
        products: Floats = np.einsum("ij,kj->ik", places, centres)
        cosines: list[list[float]] = np.round(products, 4).tolist()
        for row in cosines:
            cosine = max(row)
            group = row.index(cosine)
            yield Match(group, cosine) if cosine >= self.groups[group].least else NONE


def split(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yields some texts at a time."""
    return (texts[at : at + BATCH] for at in range(0, len(texts), BATCH))


def quantise(values: Floats) -> Integers:
    """Returns coordinates as whole numbers of parts of `SCALE`."""
    import numpy as np

    return np.round(values * SCALE).astype(np.int16)
