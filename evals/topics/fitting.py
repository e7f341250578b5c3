"""Finds topics in a sample of requests: TF-IDF, truncated SVD, k-means.

The result is a `TopicModel`, which assigns without scikit-learn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evals.statistics.threads import run_alone
from evals.topics import scikit
from evals.topics.function_words import find_function_words
from evals.topics.scikit import Entries
from evals.topics.tokens import is_spaceless, list_terms
from evals.topics.topic_model import SCALE, Group, Projection, TopicModel, quantise

if TYPE_CHECKING:
    from evals.topics.embedding import Embedding
    from evals.topics.topic_model import Floats

LEAST_TEXTS = 50
"""Different requests from which on there are topics."""
MOST_TEXTS = 5000
"""Different requests that a model is fitted to."""
LEAST_PEOPLE = 5
"""People, or sessions, in whose requests a term has to occur to be stored."""
LEAST_MEMBERS = 8
"""Different requests of a topic, at least."""
LEAST_USES = 3
"""Different requests in which a term has to occur."""
MOST_SHARE = 0.8
"""The share of different requests beyond which a term sets none apart."""
MOST_TERMS = 3000
COMPONENTS = (16, 32)
"""Of the truncated SVD, at least and at most; one more for every 200 requests."""
COUNTS = (4, 6, 8, 12, 16, 24, 32, 48)
"""Numbers of topics that are tried."""
CLEARER = 0.02
"""How much better the silhouette of a larger number has to be."""
COMPARED = 1500
"""Requests by which the numbers are compared."""
TIGHT = 0.45
"""The cosine with its centre that half of a topic's requests have, at least."""
LABEL_TERMS = 3


class Request(NamedTuple):
    """A request that topics are found in."""

    text: str
    person: str
    """The user; the session, or the trace itself, where none is recorded."""


class Sample(NamedTuple):
    """Different requests by their terms."""

    terms: list[tuple[str, ...]]
    people: list[set[str]]


def sample_requests(requests: Iterable[Request]) -> Sample:
    """Returns the different requests of some, in the order given, with the people who made each."""
    by_terms: dict[tuple[str, ...], set[str]] = {}
    for request in requests:
        terms = tuple(sorted(list_terms(request.text)))
        if terms and (terms in by_terms or len(by_terms) < MOST_TEXTS):
            by_terms.setdefault(terms, set()).add(request.person)
    return Sample(list(by_terms), list(by_terms.values()))


def fit_topics(
    sample: Sample,
    least_members: int = 0,
    most_share: float = MOST_SHARE,
    embedding: Embedding | None = None,
) -> TopicModel | None:
    """Finds topics in a sample; None where it is too small or falls into none.

    Args:
        sample: the requests.
        least_members: different requests of each topic, if more than `LEAST_MEMBERS`.
        most_share: the share of requests beyond which a term sets none apart.
        embedding: vectors of words; None: those of the requests themselves.
    """
    if len(sample.terms) < LEAST_TEXTS:
        return None
    ignored = frozenset(find_function_words(sample.terms))
    weights = choose_terms(sample, ignored, most_share)
    if len(weights) < COUNTS[0]:
        return None
    with run_alone():
        if embedding:
            projection = embed_projection(sample, weights, ignored, embedding)
        else:
            projection = fit_projection(sample, weights, ignored)
        places = projection.place_requests(sample.terms)
        groups = find_groups(sample, projection, places)
    groups = tuple(group for group in groups if group.size >= least_members)
    return TopicModel(projection, groups) if groups else None


def choose_terms(sample: Sample, ignored: Collection[str], most_share: float) -> dict[str, float]:
    """Returns the terms to use with their weights: of enough people, and not in nearly all."""
    people: dict[str, set[str]] = {}
    texts: Counter[str] = Counter()
    for terms, whose in zip(sample.terms, sample.people, strict=True):
        for term in set(terms).difference(ignored):
            people.setdefault(term, set()).update(whose)
            texts[term] += 1
    n = len(sample.terms)
    usable = [
        t
        for t in texts
        if len(people[t]) >= LEAST_PEOPLE and LEAST_USES <= texts[t] <= MOST_SHARE * n
    ]
    usable.sort(key=lambda term: (-texts[term], term))
    return {term: weigh_term(texts[term], n) for term in sorted(usable[:MOST_TERMS])}


def weigh_term(texts: int, n: int) -> float:
    """Returns the smoothed inverse document frequency of a term."""
    return round(1 + math.log((1 + n) / (1 + texts)), 4)


def fit_projection(
    sample: Sample, weights: dict[str, float], ignored: frozenset[str]
) -> Projection:
    """Finds the components: a truncated SVD of the requests' vectors."""
    import numpy as np

    unknown = weigh_term(0, len(sample.terms))
    empty = Projection(weights, unknown, np.zeros((len(weights), 1), dtype=np.int16), ignored)
    entries = Entries([], [], [])
    for number, terms in enumerate(sample.terms):
        for term, weight in empty.weigh_text(terms).items():
            if term in weights:
                entries.rows.append(number)
                entries.columns.append(empty.positions[term])
                entries.values.append(weight)
    count = min(count_components(sample), len(weights) - 1)
    shape = (len(sample.terms), len(weights))
    components = quantise(scikit.find_components(entries, shape, count))
    return Projection(weights, unknown, components, ignored)


def count_components(sample: Sample) -> int:
    """Returns how many components the requests of a sample have."""
    least, most = COMPONENTS
    return min(most, max(least, 8 + len(sample.terms) // 200))


def embed_projection(
    sample: Sample, weights: dict[str, float], ignored: frozenset[str], embedding: Embedding
) -> Projection:
    """Finds the components in the vectors of words: those in which the requests differ most.

    Words of the embedding's vocabulary that are near a term get coordinates too, so that a request
    in other words has a place.
    """
    import numpy as np

    unknown = weigh_term(0, len(sample.terms))
    near = [word for word in embedding.list_near_words(list(weights)) if word not in ignored]
    every = {**weights, **dict.fromkeys(near, unknown)}
    vectors = embedding.embed_words(list(every))
    common = vectors[: len(weights)].mean(axis=0)
    vectors = np.where(np.any(vectors != 0, axis=1)[:, None], vectors - common, 0.0)
    whole = Projection(every, unknown, quantise(vectors), ignored, frozenset(near))
    places = whole.place_requests(sample.terms)
    count = min(count_components(sample), *places.shape)
    axes = scikit.find_axes(places, count)
    return Projection(every, unknown, quantise(vectors @ axes), ignored, frozenset(near))


def find_groups(sample: Sample, projection: Projection, places: Floats) -> tuple[Group, ...]:
    """Finds the groups of a sample, the largest first."""
    import numpy as np

    placed: list[int] = np.flatnonzero(np.any(places != 0, axis=1)).tolist()
    if len(placed) < LEAST_TEXTS:
        return ()
    members: dict[int, list[int]] = {}
    for row, cluster in zip(placed, choose_clusters(np.round(places[placed], 6)), strict=True):
        members.setdefault(cluster, []).append(row)
    ordered = sorted(members.values(), key=lambda rows: (-len(rows), rows[0]))
    groups = (build_group(sample, projection, places, rows) for rows in ordered)
    return tuple(group for group in groups if group)


def choose_clusters(places: Floats) -> list[int]:
    """Clusters places by k-means, by the number of clusters with the best silhouette.

    A larger number has to be clearly better. Returns the cluster of each.
    """
    best: tuple[float, list[int]] = (-2.0, [0] * len(places))
    for count in COUNTS:
        if count * LEAST_MEMBERS > len(places):
            break
        clusters = scikit.cluster_places(places, count)
        compared = clusters[:COMPARED]
        if 1 < len(set(compared.tolist())) < len(compared):
            score = scikit.score_clusters(places[:COMPARED], compared)
            if score > best[0] + CLEARER:
                best = (score, clusters.tolist())
    return best[1]


def build_group(
    sample: Sample, projection: Projection, places: Floats, rows: Sequence[int]
) -> Group | None:
    """Builds the topic of some requests; None where they are few, of few people, or far apart."""
    import numpy as np

    people = {person for row in rows for person in sample.people[row]}
    if len(rows) < LEAST_MEMBERS or len(people) < LEAST_PEOPLE:
        return None
    mean = places[rows].mean(axis=0)
    centre = quantise(mean / np.sqrt(mean @ mean))
    cosines = np.round(places[rows] @ (centre / SCALE), 4)
    middle, least = (float(np.quantile(cosines, q)) for q in (0.5, 0.1))
    if middle < TIGHT:
        return None
    terms = choose_label(sample, projection, rows)
    return Group(terms, len(rows), tuple(centre.tolist()), round(max(least * 0.9, TIGHT - 0.1), 4))


def choose_label(sample: Sample, projection: Projection, rows: Sequence[int]) -> tuple[str, ...]:
    """Chooses the terms that set some requests apart: frequent in them, and less so elsewhere."""
    inside = count_texts(projection, (sample.terms[row] for row in rows))
    everywhere = count_texts(projection, sample.terms)
    lift = {
        term: round(
            n / len(rows) * math.log(n * len(sample.terms) / len(rows) / everywhere[term]), 4
        )
        for term, n in inside.items()
    }
    ranked = sorted(lift, key=lambda term: (-lift[term], term))
    return join_pairs(ranked)


def count_texts(projection: Projection, texts: Iterable[Sequence[str]]) -> Counter[str]:
    """Counts the texts that have each weighed term."""
    counts: Counter[str] = Counter()
    for terms in texts:
        counts.update(set(terms).intersection(projection.weights) - projection.near)
    return counts


def join_pairs(ranked: Sequence[str]) -> tuple[str, ...]:
    """Returns the first terms, without those that overlap with one before: pairs of one word."""
    chosen: list[str] = []
    for term in ranked:
        overlaps = (is_spaceless(term) and {*term} & {*"".join(chosen)}) or term in chosen
        chosen += [] if overlaps else [term]
    return tuple(chosen[:LABEL_TERMS])
