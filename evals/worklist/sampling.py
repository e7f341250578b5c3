"""Which traces a dimension looks at, and in which order: by hash, so that any prefix is a sample.

Knows neither evaluators' code nor budgets; see `survey` for what is done with the chosen.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from evals.records import Origin, Subject
from evals.specs import Sample


class SampleSeat(NamedTuple):
    """A trace's part in a sample."""

    order: float
    """Its turn, in [0, 1): whatever is left out at the end leaves each stratum equally short."""
    inclusion: float
    """The probability with which it came in."""


def compute_place(
    subject_id: str, dimension: str, subject: Subject = "trace", origin: Origin = "production"
) -> float:
    """Where a subject stands in the sampling order of a dimension, in [0, 1).

    Each kind of subject and each origin has an order of its own.
    """
    text = f"{dimension}\0{subject_id}"
    if (subject, origin) != ("trace", "production"):
        text = f"{origin}\0{subject}\0{text}"
    taken = hashlib.blake2b(text.encode(errors="replace"), digest_size=8)
    return int.from_bytes(taken.digest(), "big") / 2**64


def draw_sample(
    places: Mapping[str, float], sample: Sample, strata: Mapping[str, str]
) -> dict[str, SampleSeat]:
    """The traces in the sample, in their order.

    A trace is in iff its place is below its stratum's rate: a higher rate keeps what a lower one
    chose, and no version of an evaluator chooses otherwise.

    Args:
        places: every trace covered, with its place.
        sample: what the suite asks for.
        strata: each trace's stratum, where there are any.
    """
    rates = compute_rates(Counter(strata.get(name, "") for name in places), sample)
    found = [
        (where / rate, name, rate)
        for name, where in places.items()
        if where < (rate := rates[strata.get(name, "")])
    ]
    found.sort()
    most = len(found) if sample.at_most is None else min(sample.at_most, len(found))
    share = most / len(found) if found else 1.0
    return {name: SampleSeat(order, rate * share) for order, name, rate in found[:most]}


def compute_rates(sizes: Mapping[str, int], sample: Sample) -> dict[str, float]:
    """The rate of each stratum: the sample's, or more where a small one would be missed."""
    least = sample.strata.minimum if sample.strata else 0
    return {name: min(1.0, max(sample.rate, least / size)) for name, size in sizes.items()}
