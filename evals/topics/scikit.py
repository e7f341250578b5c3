"""scikit-learn's truncated SVD, k-means and silhouette, as functions of arrays with fixed seeds.

The only module that imports it, which takes a second or more; it ships no types.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from evals.topics.topic_model import Floats, Integers

SEED = 0
STARTS = 10
"""Clusterings of one number, of which the tightest is used."""


class Entries(NamedTuple):
    """The entries of a sparse matrix that are not 0."""

    rows: list[int]
    columns: list[int]
    values: list[float]


def find_components(entries: Entries, shape: tuple[int, int], count: int) -> Floats:
    """Returns the components of a matrix by truncated SVD, one a column."""
    sparse: Any = importlib.import_module("scipy.sparse")
    decomposition: Any = importlib.import_module("sklearn.decomposition")
    matrix = sparse.csr_matrix((entries.values, (entries.rows, entries.columns)), shape=shape)
    return decomposition.TruncatedSVD(count, random_state=SEED).fit(matrix).components_.T


def find_axes(places: Floats, count: int) -> Floats:
    """Returns the directions in which places differ most by truncated SVD, one a column."""
    decomposition: Any = importlib.import_module("sklearn.decomposition")
    return decomposition.TruncatedSVD(count, random_state=SEED).fit(places).components_.T


def cluster_places(places: Floats, count: int) -> Integers:
    """Returns the cluster of each place, by k-means."""
    cluster: Any = importlib.import_module("sklearn.cluster")
    return cluster.KMeans(count, n_init=STARTS, random_state=SEED).fit(places).labels_


def score_clusters(places: Floats, clusters: Integers) -> float:
    """Returns the silhouette of a clustering, rounded."""
    metrics: Any = importlib.import_module("sklearn.metrics")
    return round(float(metrics.silhouette_score(places, clusters)), 2)
