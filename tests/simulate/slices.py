"""What the search of slices finds in simulated nights, through the product's own functions.

Twenty attributes of four values, or as many as a world has: some 3,000 slices of one and two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from evals.reports.sections.slices import ALPHA, NIGHTS
from evals.slices.search import propose_slices, read_table
from evals.statistics import holm
from evals.storage.queries import open_duckdb

ATTRIBUTES = 20


@dataclass(frozen=True, kw_only=True)
class SliceWorld:
    """The scored traces of a night."""

    traces: int = 5000
    values: int = 4
    """Of each attribute, all as frequent."""
    fails: float = 0.1
    """Of traces in no planted slice."""
    planted: int = 0
    """Attributes of the slice that fails more; 0: none does."""
    by: float = 0.0
    """How much more it fails."""
    session: int = 1
    """Traces of a session."""
    correlation: float = 0.0
    """Of two verdicts of one session."""
    shares_attributes: bool = False
    """Whether the traces of a session have the same attributes."""


class Found(NamedTuple):
    """Shares of nights."""

    found: float
    """In which the planted slice is confirmed."""
    false: float
    """In which another one is confirmed."""
    found_alone: float
    """The first, were this the only night: at .05 instead of its share."""
    false_alone: float
    """The second at that level."""


def draw_night(world: SliceWorld, rng: np.random.Generator) -> pa.Table:
    """Draws a night's traces with their attributes as texts."""
    number = -(-world.traces // world.session)
    sessions = np.repeat(np.arange(number), world.session)[: world.traces]
    shape = (ATTRIBUTES, number if world.shares_attributes else world.traces)
    values = rng.integers(0, world.values, shape)
    if world.shares_attributes:
        values = values[:, sessions]
    rate = np.full(world.traces, world.fails)
    if world.correlation:
        weight = (1 - world.correlation) / world.correlation
        rate = rng.beta(world.fails * weight, (1 - world.fails) * weight, number)[sessions]
    if world.planted:
        inside = (values[: world.planted] == 0).all(0)
        rate = np.where(inside, rate + world.by, rate)
    names = np.array([f"v{i}" for i in range(world.values)])
    columns = {f"a{i}": pa.array(names[own]) for i, own in enumerate(values)}
    return pa.table({
        "number": np.arange(world.traces),
        "session": sessions,
        "is_held_out": (rng.random(number) < 0.5)[sessions],
        "f0": (rng.random(world.traces) < rate).astype(np.int8),
        "w0": np.ones(world.traces),
        **columns,
    })  # fmt: skip


def list_confirmed(
    night: pa.Table, attributes: int = ATTRIBUTES
) -> list[tuple[frozenset[str], float]]:
    """Lists the slices that a night proposes, each with its adjusted p."""
    with open_duckdb() as db:
        db.register("drawn", night)
        db.execute("create temp table attributed as from drawn")
        table = read_table(db, ATTRIBUTES, 1)
    proposals = propose_slices(table.rows[0], table.groups[0])
    names = [
        frozenset(f"a{at}={table.values[at][value - 1]}" for at, value in one.group)
        for one in proposals
    ]
    return list(zip(names, holm([one.p for one in proposals]), strict=True))


def measure_world(world: SliceWorld, seed: int, nights: int) -> Found:
    """Measures how often the planted slice, and any other one, is confirmed."""
    rng = np.random.default_rng(seed)
    planted = frozenset(f"a{i}=v0" for i in range(world.planted))
    counts = np.zeros(4)
    for _ in range(nights):
        drawn = list_confirmed(draw_night(world, rng))
        for at, level in ((0, ALPHA / NIGHTS), (2, ALPHA)):
            names = [name for name, q in drawn if q <= level]
            counts[at] += planted in names
            counts[at + 1] += any(name != planted for name in names)
    return Found(*(float(one) for one in counts / nights))
