"""Groups short texts by their words: TF-IDF, latent semantic axes, Ward's clustering.

The only module here that imports scikit-learn, which takes a second or more and ships no types.
"""

from __future__ import annotations

import contextlib
import importlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from evals.statistics.threads import run_alone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float64]

SEED = 0
AXES = 20
FEWEST, MOST = 5, 10
"""Groups that notes fall into, where there are enough of them."""
PER_GROUP = 2
"""Texts that a group needs on average, else there are fewer groups."""
TERMS = 3
"""Words that name a group."""


def group_notes(texts: Sequence[str]) -> list[int]:
    """Groups notes into 5 to 10 groups, as many as separate best; fewer where notes are few."""
    distinct = len(set(texts))
    most = min(MOST, distinct, max(1, len(texts) // PER_GROUP))
    fewest = min(FEWEST, most)
    if most < FEWEST or fewest == most:
        return group_texts(texts, most)
    with run_alone():
        vectors = embed_texts(texts)
        metrics: Any = importlib.import_module("sklearn.metrics")
        groupings = [cluster_vectors(vectors, count) for count in range(fewest, most + 1)]
        scores = [metrics.silhouette_score(vectors, groups) for groups in groupings]
    best = max(range(len(scores)), key=lambda index: (round(scores[index], 3), -index))
    return groupings[best]


def group_texts(texts: Sequence[str], count: int) -> list[int]:
    """Groups texts into at most so many groups, numbered from 0."""
    count = min(count, len(set(texts)))
    if count < 2:
        return [0] * len(texts)
    with run_alone():
        return cluster_vectors(embed_texts(texts), count)


def cluster_vectors(vectors: Vectors, count: int) -> list[int]:
    """Groups vectors by Ward's method."""
    cluster: Any = importlib.import_module("sklearn.cluster")
    return list(map(int, cluster.AgglomerativeClustering(count).fit_predict(vectors)))


def find_nearest(texts: Sequence[str], groups: Sequence[str], new: Sequence[str]) -> list[str]:
    """Finds the group whose texts each new text is most similar to; empty: similar to none.

    Args:
        texts: texts with a group.
        groups: the group of each.
        new: texts without one.
    """
    if not texts or not new:
        return [""] * len(new)
    with run_alone():
        matrix = weigh_terms([*texts, *new])
        similar = (matrix[len(texts) :] @ matrix[: len(texts)].T).toarray()
    found: list[str] = []
    for row in similar:
        best = int(row.argmax())
        found.append(groups[best] if row[best] >= SIMILAR else "")
    return found


SIMILAR = 0.3
"""The cosine from which a note belongs to the mode of another."""


def embed_texts(texts: Sequence[str]) -> Vectors:
    """Returns a vector of length 1 for each text."""
    decomposition: Any = importlib.import_module("sklearn.decomposition")
    preprocessing: Any = importlib.import_module("sklearn.preprocessing")
    matrix = weigh_terms(texts)
    axes = min(AXES, *(side - 1 for side in matrix.shape))
    if axes < 2:
        return matrix.toarray()
    reduced = decomposition.TruncatedSVD(axes, random_state=SEED).fit_transform(matrix)
    return preprocessing.normalize(reduced)


def weigh_terms(texts: Sequence[str]) -> Any:
    """Weighs words and parts of words by TF-IDF; a row a text, of length 1.

    Parts of words are for inflection, and for languages that put no spaces between words.
    """
    module: Any = importlib.import_module("sklearn.feature_extraction.text")
    sparse: Any = importlib.import_module("scipy.sparse")
    preprocessing: Any = importlib.import_module("sklearn.preprocessing")
    words = module.TfidfVectorizer(stop_words="english", token_pattern=WORD, sublinear_tf=True)
    parts = module.TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 5), sublinear_tf=True)
    shown = [text if text.strip() else "nothing" for text in texts]
    blocks = [parts.fit_transform(shown) * PARTS]
    with contextlib.suppress(ValueError):  # stop words alone
        blocks.append(words.fit_transform(shown))
    return preprocessing.normalize(sparse.hstack(blocks).tocsr())


WORD = r"(?u)\b[^\W\d_]{3,}\b"
PARTS = 0.6
"""The weight of parts of words beside that of words."""


def name_groups(texts: Sequence[str], groups: Sequence[str]) -> dict[str, str]:
    """Names each group by words that its texts share and the others lack: `wrong-date-format`."""
    module: Any = importlib.import_module("sklearn.feature_extraction.text")
    stop: frozenset[str] = module.ENGLISH_STOP_WORDS
    analyse = module.TfidfVectorizer(token_pattern=WORD).build_analyzer()
    own: dict[str, Counter[str]] = defaultdict(Counter)
    for text, group in zip(texts, groups, strict=True):
        own[group].update(set(analyse(text)))
    names: dict[str, str] = {}
    for group, counts in own.items():
        terms = rank_terms(counts, [c for name, c in own.items() if name != group], stop)
        names[group] = "-".join(terms[:TERMS]) or "other"
    return make_distinct(names)


def rank_terms(
    counts: Counter[str], others: Iterable[Counter[str]], stop: frozenset[str]
) -> list[str]:
    """Ranks the words of a group by how much more often they occur in it than elsewhere."""
    every = Counter(counts)
    for other in others:
        every.update(other)
    own = (word for word in counts if word not in stop)
    return sorted(own, key=lambda word: (-(counts[word] ** 2) / every[word], word))


def make_distinct(names: dict[str, str]) -> dict[str, str]:
    """Adds a number to a name that an earlier group has."""
    seen: Counter[str] = Counter()
    distinct: dict[str, str] = {}
    for group, name in names.items():
        seen[name] += 1
        distinct[group] = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return distinct
