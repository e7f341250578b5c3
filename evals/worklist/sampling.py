"""Which traces a dimension samples, and in which order: by hash, so that any prefix is a sample.

Knows neither evaluators' code nor budgets; `worklist` uses the sample.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from evals.records import Origin, Subject
from evals.specs import Sample


class SampleSeat(NamedTuple):
    """A sampled trace's order and probability."""

    order: float
    """In [0, 1): a sample cut off at the end misses as large a share of each stratum."""
    inclusion: float
    """The probability with which it was sampled."""


def compute_place(
    subject_id: str, dimension: str, subject: Subject = "trace", origin: Origin = "production"
) -> float:
    """Computes a subject's place in the sampling order of a dimension, in [0, 1).

    Each kind of subject and each origin has an order of its own.
    """
    text = f"{dimension}\0{subject_id}"
    if (subject, origin) != ("trace", "production"):
        text = f"{origin}\0{subject}\0{text}"
    hashed = hashlib.blake2b(text.encode(errors="replace"), digest_size=8)
    return int.from_bytes(hashed.digest(), "big") / 2**64


def draw_sample(
    places: Mapping[str, float], sample: Sample, strata: Mapping[str, str]
) -> dict[str, SampleSeat]:
    """Draws the sample, in order.

    A trace is in iff its place is below its stratum's rate: a higher rate keeps what a lower one
    sampled, and every version of an evaluator samples the same.

    Args:
        places: every trace covered, with its place.
        sample: what the suite declares.
        strata: the stratum of each trace, where the sample has strata.
    """
    rates = compute_rates(Counter(strata.get(name, "") for name in places), sample)
    drawn = [
        (place / rate, name, rate)
        for name, place in places.items()
        if place < (rate := rates[strata.get(name, "")])
    ]
    drawn.sort()
    most = len(drawn) if sample.at_most is None else min(sample.at_most, len(drawn))
    share = most / len(drawn) if drawn else 1.0
    return {name: SampleSeat(order, rate * share) for order, name, rate in drawn[:most]}


def compute_reached(traces: Mapping[str, int], asked: Collection[str]) -> dict[str, float]:
    """Computes the probability with which each content was asked, where not all of them were.

    Questions are asked in the order of their first trace, so a content of several traces has a
    better chance: 1 - (1 - r)^k. Contents that were free are no part of this: they are in.

    Args:
        traces: how many sampled traces have each content that had to be paid for.
        asked: those that were asked; at least one where any has a chance.
    """
    if len(asked) == len(traces) or not asked:
        return dict.fromkeys(traces, 1.0 if asked else 0.0)
    sizes, low, high = Counter(traces.values()), 0.0, 1.0
    for _ in range(60):
        r = (low + high) / 2
        reached = sum(n * (1 - (1 - r) ** k) for k, n in sizes.items())
        low, high = (r, high) if reached < len(asked) else (low, r)
    return {key: 1 - (1 - high) ** k for key, k in traces.items()}


def compute_rates(sizes: Mapping[str, int], sample: Sample) -> dict[str, float]:
    """Computes the rate of each stratum: the sample's, or more for a small or flagged one."""
    if sample.flagged:
        return {name: sample.flagged.rate if name else sample.rate for name in sizes}
    least = sample.strata.minimum if sample.strata else 0
    return {name: min(1.0, max(sample.rate, least / size)) for name, size in sizes.items()}
