"""Trains the classifiers of guardrails and measures them: `python -m tests.measure.training`.

Each is scored on texts of sources it was not trained on, in five folds. Its one threshold is the
lowest at which it flags at most 1% of all harmless texts together, by the upper end of the 95%
interval, and at most 1% of those with trigger words.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from evals.evaluators.guard_checks import linear_models
from evals.evaluators.guard_checks.words import list_words, windows_of
from evals.statistics import Proportion
from tests.measure import corpora
from tests.measure.corpora import Text
from tests.measure.refusal import count_hits

FOLDS = 5
MOST_FALSE = 0.01
TRAINED_ONLY = ("templates", "words")
"""Corpora that are made to train on; nothing is measured on them."""


class Task(NamedTuple):
    """What a classifier is trained on."""

    about: str
    list_texts: Callable[[], list[Text]]


def list_injection_texts() -> list[Text]:
    """Lists what the injection check is trained on."""
    return [
        *corpora.list_injections(),
        *corpora.list_benign(),
        *corpora.list_harmful_questions(),
        *corpora.list_model_answers(),
    ]


def list_toxicity_texts() -> list[Text]:
    """Lists what the toxicity check is trained on."""
    return [
        *corpora.list_toxic(),
        *corpora.list_toxicity_training(),
        *corpora.list_benign(),
        *corpora.list_harmful_questions(),
    ]


TASKS = {
    "prompt_injection": Task("log odds of an attempt on the instructions", list_injection_texts),
    "toxicity": Task("log odds of insult, threat, contempt or obscenity", list_toxicity_texts),
}


class Windows(NamedTuple):
    """The windows of some texts as features."""

    features: Any
    """A sparse matrix: one row a window."""
    owners: Any
    """Which text each window is of."""


def build_windows(texts: Sequence[Text]) -> Windows:
    """Builds the features of every window."""
    buckets: list[list[int]] = []
    owners: list[int] = []
    for at, one in enumerate(texts):
        for window in windows_of(list_words(one.text), linear_models.WINDOW):
            buckets.append(sorted(set(linear_models.hash_features(window))))
            owners.append(at)
    sizes = [len(row) for row in buckets]
    values = np.concatenate([np.full(n, 1 / linear_models.norm_of(n)) for n in sizes])
    indices = np.concatenate([np.asarray(row, dtype=np.int32) for row in buckets])
    shape = (len(buckets), linear_models.BUCKETS)
    matrix = scipy.sparse.csr_matrix((values, indices, np.cumsum([0, *sizes])), shape=shape)
    return Windows(matrix, np.asarray(owners))


def fit(texts: Sequence[Text], windows: Windows, chosen: Any) -> LogisticRegression:
    """Trains on some texts; a source counts by the root of its texts, both classes alike.

    Without an intercept: an empty text is neither, and a short one is no worse for being short.
    """
    rows = np.flatnonzero(chosen[windows.owners])
    owners = windows.owners[rows]
    of_text = Counter(owners.tolist())
    of_source = Counter(texts[at].source for at in np.flatnonzero(chosen))
    weights = np.array([1 / of_text[o] / np.sqrt(of_source[texts[o].source]) for o in owners])
    bad = np.array([texts[o].bad for o in owners])
    weights[bad] *= weights[~bad].sum() / weights[bad].sum()
    model = LogisticRegression(C=4, max_iter=300, fit_intercept=False)
    model.fit(windows.features[rows], bad, sample_weight=weights * len(weights) / weights.sum())
    return model


def score_texts(model: LogisticRegression, windows: Windows, count: int) -> Any:
    """Returns the score of each text: that of its worst window."""
    scores = np.full(count, -np.inf)
    np.maximum.at(scores, windows.owners, model.decision_function(windows.features))
    return scores


def score_across_folds(texts: Sequence[Text], windows: Windows, foreign: Any) -> Any:
    """Scores each text by a model that saw nothing of its source; foreign ones by all models."""
    folds = np.array([zlib.crc32(one.source.encode()) % FOLDS for one in texts])
    scores = np.zeros(len(texts))
    for fold in range(FOLDS):
        model = fit(texts, windows, (folds != fold) & ~foreign)
        found = score_texts(model, windows, len(texts))
        here = (folds == fold) & ~foreign
        scores[here] = found[here]
        scores[foreign] += found[foreign] / FOLDS
    return scores


def choose_threshold(texts: Sequence[Text], scores: Any) -> float:
    """Returns the lowest threshold with few enough false positives; see the module."""
    harmless = np.array([not one.bad and one.corpus not in TRAINED_ONLY for one in texts])
    words = np.array([one.corpus == "trigger words" for one in texts])
    ordered, hard = np.sort(scores[harmless])[::-1], np.sort(scores[words])[::-1]
    n = len(ordered)
    allowed = max(k for k in range(n) if Proportion(k, n).interval()[1] <= MOST_FALSE)
    lowest = max(ordered[allowed], hard[int(MOST_FALSE * len(hard))])
    return round(float(lowest) + 1e-4, 4)


def list_rows(
    name: str, texts: Sequence[Text], flagged: Sequence[bool], by: str = "the check"
) -> Iterator[dict[str, Any]]:
    """Yields one row for each corpus and one for all harmless texts, clustered by source."""
    measured = [
        (t, hit) for t, hit in zip(texts, flagged, strict=True) if t.corpus not in TRAINED_ONLY
    ]
    groups = dict.fromkeys((one.corpus, one.bad) for one, _ in measured)
    for corpus, bad in [*groups, ("all harmless", False), ("all harmful", True)]:
        rows = [
            (hit, t.source)
            for t, hit in measured
            if t.bad == bad and (corpus.startswith("all ") or t.corpus == corpus)
        ]
        rate = count_hits([hit for hit, _ in rows], [source for _, source in rows])
        low, high = rate.interval()
        yield {
            "guardrail": name, "by": by, "corpus": corpus,
            "measures": "recall" if bad else "false positives",
            "n": len(rows), "sources": len({source for _, source in rows}),
            "flagged": int(rate.passed), "rate": round(float(rate.rate), 4),
            "low": round(float(low), 4), "high": round(float(high), 4),
        }  # fmt: skip


def list_summaries(name: str, texts: Sequence[Text], scores: Any) -> Iterator[dict[str, Any]]:
    """Yields rows of all texts alone: at thresholds of other folds, and by length alone."""
    lengths = np.array([float(len(one.text)) for one in texts])
    for by, values in (("the check, threshold of other folds", scores), ("length only", lengths)):
        for row in list_rows(name, texts, flag_across_folds(texts, values), by):
            if row["corpus"].startswith("all "):
                yield row


def flag_across_folds(texts: Sequence[Text], scores: Any) -> list[bool]:
    """Flags each text at the threshold that was chosen without its source."""
    folds = [zlib.crc32(one.source.encode()) % FOLDS for one in texts]
    flagged = [False] * len(texts)
    for fold in range(FOLDS):
        rest = [i for i, own in enumerate(folds) if own != fold]
        threshold = choose_threshold([texts[i] for i in rest], scores[rest])
        for i, own in enumerate(folds):
            if own == fold:
                flagged[i] = bool(scores[i] > threshold)
    return flagged


def measure(name: str, task: Task, *, store: bool = False) -> list[dict[str, Any]]:
    """Measures a classifier across folds; stores one trained on all of them, if asked."""
    own, foreign = task.list_texts(), corpora.list_foreign()
    texts = [*own, *foreign]
    is_foreign = np.arange(len(texts)) >= len(own)
    windows = build_windows(texts)
    scores = score_across_folds(texts, windows, is_foreign)
    threshold = choose_threshold(texts, scores)
    if store:
        store_model(name, task.about, fit(texts, windows, ~is_foreign), threshold)
    rows = list_rows(name, texts, [bool(one > threshold) for one in scores])
    return [*rows, *list_summaries(name, texts, scores)]


def store_model(name: str, about: str, model: LogisticRegression, threshold: float) -> None:
    """Writes a classifier with one byte a weight."""
    weights = model.coef_[0]
    scale = float(np.abs(weights).max() / 127)
    stored: linear_models.Stored = {
        "about": about,
        "scale": scale,
        "threshold": threshold,
        "weights": base64.b64encode(np.round(weights / scale).astype(np.int8).tobytes()).decode(),
    }
    path = linear_models.FOLDER / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(stored, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    for name, task in TASKS.items():
        for row in measure(name, task, store=True):
            sys.stdout.write(json.dumps(row) + "\n")
