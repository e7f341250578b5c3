"""What a blessed baseline concludes of simulated nights, through the product's own functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.reports.decide.blessed import Blessed
from evals.reports.decide.evidence import Evidence
from evals.reports.decide.measurements import measure_night
from evals.reports.decide.rates import count_row
from evals.reports.decide.rows import Rate
from evals.reports.decide.verdicts import decide_verdicts
from evals.specs import App, Attacks, Dimension

FIRST = date(2026, 1, 5)
NAMES = tuple(f"dimension-{i}" for i in range(5))
FAILS = 0.12
APP = App(app="app")


@dataclass(frozen=True)
class BlessedWorld:
    """Nights of an application after the one that a person blessed."""

    traces: int
    spread: float = 0.03
    """The sd of a night's shock on the arcsine scale, shared by its dimensions: .03 is a point."""
    by: float = 0.0
    """How much more each dimension fails after the blessed night."""
    nights: int = 90


class Slipped(NamedTuple):
    """The share of applications that slip against the blessed night."""

    first_night: float
    within_5: float
    ever: float


def measure_slips(world: BlessedWorld, seed: int, applications: int) -> Slipped:
    """Measures on which nights applications slip against their blessed night."""
    rng = np.random.default_rng(seed)
    slipped = np.array([list(replay(world, rng)) for _ in range(applications)])
    return Slipped(*(float(slipped[:, :n].any(1).mean()) for n in (1, 5, world.nights)))


def replay(world: BlessedWorld, rng: np.random.Generator) -> Iterator[bool]:
    """Yields whether each night slips against the first, which is blessed."""
    angle = 2 * np.arcsin(np.sqrt(FAILS)) + world.spread * rng.standard_normal(world.nights + 1)
    fails = np.sin(angle / 2) ** 2
    fails[1:] += world.by
    failed = rng.binomial(world.traces, fails[:, None], (world.nights + 1, len(NAMES)))
    baseline = {
        (*row.identity, row.slice): count_row(row) for row in make_rates(world, failed[0], FIRST)
    }
    blessed = Blessed(FIRST, "v", "a person", "a good night", FIRST, baseline)
    for night, counts in enumerate(failed[1:], start=1):
        day = FIRST + timedelta(days=night)
        yield any(verdict == "slipped" for verdict in judge(world, counts, day, blessed))


def judge(
    world: BlessedWorld, failed: NDArray[np.int64], day: date, blessed: Blessed
) -> Iterator[str | None]:
    """Yields the verdict of each dimension against the blessed night."""
    night = Evidence(
        date=day,
        app=APP,
        rates=make_rates(world, failed, day),
        history=(),
        dimensions={name: Dimension(dimension=name, question="?") for name in NAMES},
        evaluators=(),
        agreement=(),
        coverage=(),
        canaries=(),
        attacks=Attacks(),
        blessed=blessed,
    )
    measured = list(measure_night(night))
    yield from (one.blessed for one in decide_verdicts(measured, APP.gate))


def make_rates(world: BlessedWorld, failed: NDArray[np.int64], day: date) -> list[Rate]:
    """Makes the rates of a night, each trace a session of its own."""
    return [
        Rate(
            name, "check", "v", "assertion", "all",
            world.traces, world.traces - int(n), int(n), 0, 0,
        )._replace(date=day)
        for name, n in zip(NAMES, failed, strict=True)
    ]  # fmt: skip
