"""What a classifier costs a trace, beside the judge that it would stand in for.

The judge's latency is stated: a call over HTTP as the other figures have it, and no slower model.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from evals.classifiers import fitting
from evals.classifiers.features import GROUPS, WIDTH, Material, compute_vector
from evals.classifiers.fitting import Example
from evals.classifiers.model import Model, pack_model, unpack_model

WORDS = ("price", "lamp", "because", "sorry", "cannot", "passage", "states", "river", "seven")
SOURCE = " ".join(f"{word} {n}" for n in range(60) for word in WORDS)
ANSWERS, LEARNED, REPEATS = 100, 120, 7


def build_material(n: int) -> Material:
    """Builds an answer of 200 words over passages of 1,000, which five answers share."""
    words = [WORDS[(n * 7 + i * i) % len(WORDS)] for i in range(200)]
    begin = "Sorry, I cannot" if n % 3 == 0 else "It is stated that"
    return Material(f"{begin} {' '.join(words)} {n}.", f"Passages {n // 5}. {SOURCE}")


def train() -> Model:
    """Trains a classifier with all features, and reads it as it is stored."""
    features = tuple(GROUPS)
    examples = [
        Example(compute_vector(build_material(n), features), n % 3 != 0, f"g{n}")
        for n in range(LEARNED)
    ]
    fitted = fitting.fit(examples, WIDTH, 0.9)
    reads = ("input", "context", "output")
    return unpack_model(pack_model(fitting.build_model(fitted, features, reads, "")))


class Cost(NamedTuple):
    """What judging one trace costs, one after another."""

    cpu_s: float


def measure_cost() -> Cost:
    """Measures a classifier with all features over long passages; the best of some repeats."""
    model = train()
    materials = [build_material(n) for n in range(ANSWERS)]
    model.judge(materials[0])
    costs: list[Cost] = []
    for _ in range(REPEATS):
        began = time.process_time()
        for one in materials:
            model.judge(one)
        costs.append(Cost((time.process_time() - began) / ANSWERS))
    return min(costs)
