"""How often the watch over a classifier's inputs finds drift, in nights with drift and without.

Agreement with people is in `judges`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evals.classifiers.watching import Observed, compare_inputs, describe_reference

CORRELATION = 0.8
"""Of the values of one answer with those of another of its session, but for chance."""
SHIFT = 0.5
"""By how many standard deviations answers move."""


class Watch(NamedTuple):
    """What the watch finds."""

    false: float
    """The share of nights without drift in which something is flagged."""
    found: float
    """The share of nights on which answers moved in which something is."""


def observe_answers(
    rng: np.random.Generator, answers: int, session: int, shift: float = 0.0
) -> list[Observed]:
    """Draws answers of sessions of one size, whose watched values go together."""
    own = np.repeat(rng.normal(shift, 1, -(-answers // session)), session)[:answers]
    values = [
        weight * own + np.sqrt(1 - weight**2) * rng.normal(0, 1, answers)
        for weight in np.sqrt(np.array([0.25, CORRELATION, 0.1]))
    ]
    words = np.exp(3 + 0.6 * values[1])
    failing, overlap = (1 / (1 + np.exp(at - values[i])) for at, i in ((2, 0), (0, 2)))
    return [
        Observed(failing[i], 6 * n, int(n), int(n / 12), overlap[i], str(i // session))
        for i, n in enumerate(words)
    ]


def measure_watch(reference: int, answers: int, session: int, seed: int, nights: int) -> Watch:
    """Measures the watch on nights against references of so many answers."""
    rng, flagged = np.random.default_rng(seed), list[tuple[bool, bool]]()
    for _ in range(nights):
        before = describe_reference(observe_answers(rng, reference, session))
        still, moved = (
            compare_inputs(before, observe_answers(rng, answers, session, shift))
            for shift in (0.0, SHIFT)
        )
        false, found = (any(one.drift.has_drifted for one in of) for of in (still, moved))
        flagged.append((false, found))
    return Watch(*(float(share) for share in np.mean(flagged, axis=0)))
