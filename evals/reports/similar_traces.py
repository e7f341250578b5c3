"""Answers like one answer: those whose requests share its rarer words (TF-IDF, cosine).

Compares only traces that have a page, so that each can be opened; failing ones come first.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from evals.reports.failing_answers import FailingNight, list_failed
from evals.storage.lake import Lake
from evals.topics.tokens import is_spaceless, list_terms

SHOWN = 5
POOL = 2000
"""Traces that are compared, at most: the first in the sampling order."""
TERMS = 60
"""Terms of a request that are compared: the rarest."""
COMMON, FEW = 0.2, 5
"""A term in more than this share of the requests, and in more than a few, finds nothing."""
SHORTEST = 4
"""Letters of a word that counts."""
LEAST = 0.2
"""The cosine from which traces are alike."""
EXCERPT = 240

Weights = Mapping[str, float]


class Similar(NamedTuple):
    """A trace that is like another."""

    trace_id: str
    failed: Sequence[str]
    """The dimensions that it fails."""
    asked: str
    """The beginning of its request."""
    cosine: float


def find_similar(lake: Lake, failing: FailingNight) -> dict[str, list[Similar]]:
    """Finds the traces like each trace of a night's pages."""
    places = {trace: place for place, trace in enumerate(failing.traces)}
    shown = sorted(failing.given, key=lambda one: (places.get(one, len(places)), one))[:POOL]
    texts = read_requests(lake, failing, set(shown))
    failed = {trace: list_failed(failing.given[trace]) for trace in texts}
    return {
        trace: [Similar(one, failed[one], texts[one][:EXCERPT], cosine) for one, cosine in near]
        for trace, near in rank_neighbours(texts, {one for one in texts if failed[one]}).items()
    }


def read_requests(lake: Lake, failing: FailingNight, shown: set[str]) -> dict[str, str]:
    """Reads what users asked in some traces of a night."""
    columns = ("trace_id", "input")
    batches = lake.stream_batches("traces", failing.date, columns, failing.app) if shown else ()
    rows = (row for rows in batches for row in rows)
    return {row["trace_id"]: row["input"] or "" for row in rows if row["trace_id"] in shown}


def rank_neighbours(
    texts: Mapping[str, str], first: set[str]
) -> dict[str, list[tuple[str, float]]]:
    """Ranks the texts that are like each text, those of `first` before all others."""
    vectors = weigh_texts(texts)
    index: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    for name, weights in vectors.items():
        for term, weight in weights.items():
            index[term].append((name, weight))
    most = max(FEW, COMMON * len(vectors))
    ranked: dict[str, list[tuple[str, float]]] = {}
    for name, weights in vectors.items():
        cosines: defaultdict[str, float] = defaultdict(float)
        for term in (one for one in weights if len(index[one]) <= most):
            for other, weight in index[term]:
                cosines[other] += weight * weights[term]
        near = ((one, value) for one, value in cosines.items() if one != name and value >= LEAST)
        ranked[name] = heapq.nsmallest(
            SHOWN, near, key=lambda pair: (pair[0] not in first, -round(pair[1], 9), pair[0])
        )
    return ranked


def weigh_texts(texts: Mapping[str, str]) -> dict[str, Weights]:
    """Weighs the terms of texts by TF-IDF, as vectors of length 1."""
    counts = {name: Counter(filter(is_telling, list_terms(text))) for name, text in texts.items()}
    found = Counter(term for terms in counts.values() for term in terms)
    return {name: weigh_terms(terms, found, len(counts)) for name, terms in counts.items()}


def is_telling(term: str) -> bool:
    """Whether a term is long enough to be more than a function word."""
    return len(term) >= SHORTEST or is_spaceless(term)


def weigh_terms(terms: Mapping[str, int], found: Mapping[str, int], n: int) -> Weights:
    """Weighs the rarest terms of one text."""
    rarest: Iterable[str] = heapq.nsmallest(TERMS, terms, key=lambda term: (found[term], term))
    weights = {
        term: (1 + math.log(terms[term])) * math.log((1 + n) / found[term]) for term in rarest
    }
    length = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
    return {term: weight / length for term, weight in weights.items()}
