"""Nights of whole boards as they could be: fails and sizes, with a real change or without one.

Six applications of five dimensions, which share weekday seasons and shocks of a night; sessions
make every second application's sample smaller. Nothing here judges a night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATES = np.array([0.20, 0.15, 0.12, 0.05, 0.02])
"""Of fails, by dimension."""
SHARES = np.sqrt([0.5, 0.2, 0.3])
"""Of a night's shock: of the application, of the board, of the dimension alone."""
SESSIONS = 1.6


@dataclass(frozen=True, kw_only=True)
class World:
    """What the nights of a board are like."""

    traces: int | Sequence[int]
    """A night at first, of all applications or of each."""
    nights: int = 125
    applications: int = 6
    spread: float = 0.06
    """The sd of a night's shock on the arcsine scale: .06 is .02 at a rate of .12."""
    season: float = 0.09
    lag: float = 0.0
    """The correlation of successive shocks."""
    growth: float = 2.0
    """Traces of the last night over those of the first."""
    tail: int | None = None
    """Degrees of freedom of t-distributed shocks; None: normal."""
    slices: Sequence[float] = ()
    """The shares of the traces of slices that each dimension declares, with shocks of their own."""


@dataclass(frozen=True)
class Change:
    """Dimensions of the first application fail `by` more from a night on, until another."""

    dimensions: tuple[int, ...]
    by: float
    night: int
    until: int | None = None


@dataclass(frozen=True)
class Counts:
    """Fails and effective sample sizes, (boards, applications, series, nights).

    The dimensions, then the slices of each: those of the first share of all, and so on.
    """

    failed: NDArray[np.float64]
    size: NDArray[np.float64]


def draw_shocks(
    world: World, rng: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Draws shocks of unit variance, correlated from night to night."""
    if world.tail is None:
        shocks = rng.standard_normal(shape)
    else:
        shocks = rng.standard_t(world.tail, shape) / np.sqrt(world.tail / (world.tail - 2))
    for night in range(1, world.nights) if world.lag else ():
        new = np.sqrt(1 - world.lag**2) * shocks[..., night]
        shocks[..., night] = world.lag * shocks[..., night - 1] + new
    return shocks


def draw_counts(
    world: World, rng: np.random.Generator, boards: int, change: Change | None = None
) -> Counts:
    """Draws the counts of some boards."""
    apps, nights = world.applications, world.nights
    shapes = ((boards, apps, 1, nights), (boards, 1, 1, nights), (boards, apps, 5, nights))
    noise = sum(
        share * draw_shocks(world, rng, shape) for share, shape in zip(SHARES, shapes, strict=True)
    )
    weekend = np.where(np.arange(nights) % 7 >= 5, 1, -0.4)
    week = world.season * weekend * rng.choice([-1, 1, 0.5], (boards, apps, 1, 1))
    angle = 2 * np.arcsin(np.sqrt(RATES))[:, None] + 0.7 * week + world.spread * noise
    rate = np.sin(np.clip(angle, 0.02, np.pi - 0.02) / 2) ** 2
    if change:
        span = slice(change.night, change.until)
        for dimension in change.dimensions:
            rate[:, 0, dimension, span] = np.clip(rate[:, 0, dimension, span] + change.by, 0, 1)
    volume = np.exp(
        np.log(world.growth) * np.arange(nights) / nights
        + 0.1 * rng.standard_normal((boards, apps, 1, nights))
    )
    first = np.broadcast_to(np.asarray(world.traces), (apps,))[:, None, None]
    traces = np.maximum(5, np.round(first * volume)) * np.ones((5, 1))
    clustered = np.where(np.arange(apps) % 2, SESSIONS, 1.0)[:, None, None]
    size = np.maximum(3, np.round(traces / clustered))
    whole = Counts(rng.binomial(size.astype(int), rate).astype(float), size)
    return add_slices(world, rng, whole, angle) if world.slices else whole


def add_slices(
    world: World, rng: np.random.Generator, whole: Counts, angle: NDArray[np.float64]
) -> Counts:
    """Adds the slices of each dimension: they make up a part of it, and vary with it and alone."""
    failed, sizes = whole.failed.copy(), whole.size.copy()
    parts = list[Counts]()
    for share in world.slices:
        size = np.maximum(1, np.round(whole.size * share))
        own = angle + world.spread * draw_shocks(world, rng, angle.shape)
        rate = np.sin(np.clip(own, 0.02, np.pi - 0.02) / 2) ** 2
        fails = rng.binomial(size.astype(int), rate).astype(float)
        replaced = rng.hypergeometric(
            whole.failed.astype(int), (whole.size - whole.failed).astype(int), size.astype(int)
        )
        failed += fails - replaced
        parts.append(Counts(fails, size))
    failed = np.clip(failed, 0, sizes)
    return Counts(
        np.concatenate([failed, *(one.failed for one in parts)], -2),
        np.concatenate([sizes, *(one.size for one in parts)], -2),
    )
