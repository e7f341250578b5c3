"""What the alarms do in simulated worlds, through the product's own functions.

Each function returns figures that a page of the docs quotes; worlds are in `worlds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.reports.decide.falls import ALL, WHOLE, Key
from evals.reports.decide.incident_records import History, Incident, SeriesNight
from evals.reports.decide.incidents import replay_nights
from evals.statistics import series
from tests.simulate.worlds import RATES, Change, Counts, World, draw_counts

MONDAY = date(2026, 1, 5)
KEYS: tuple[Key, ...] = tuple((f"dimension-{i}", "check", ALL) for i in range(5))
BATCH = 50


def find_pages(counts: Counts) -> NDArray[np.bool_]:
    """Returns which series page on which night, (boards, applications, series, nights).

    Each night is weighed as if no incident were open: only the first page of a board is its own.
    """
    nights = counts.failed.shape[-1]
    panel = series.make_panel(counts.failed, counts.size, np.arange(nights) % 7)
    is_dimension = np.arange(counts.failed.shape[-2] + 1) < len(RATES)
    panel = series.add_mean(panel, is_dimension[:-1])
    evidence = series.start_evidence(panel)
    pages = np.zeros(panel.y.shape, dtype=bool)
    usable, calm = np.ones(panel.y.shape, dtype=bool), np.zeros(panel.y.shape[:-1], dtype=bool)
    count = counts.failed.shape[1] * counts.failed.shape[2]
    for night in range(nights):
        weighed = series.weigh_night(
            evidence, panel, night, usable=usable, is_disturbed=calm, series=count,
            is_dimension=is_dimension,
        )  # fmt: skip
        pages[..., night] = weighed.pages
    return pages


def draw_batches(
    world: World, seed: int, boards: int, change: Change | None = None
) -> Iterator[Counts]:
    """Draws boards in batches, which need less memory."""
    rng = np.random.default_rng(seed)
    for start in range(0, boards, BATCH):
        yield draw_counts(world, rng, min(BATCH, boards - start), change)


def share_falsely_paged(world: World, seed: int, boards: int, first: int = 0) -> float:
    """Returns the share of boards without a change that page within 90 nights from `first`."""
    paged = [
        find_pages(counts)[..., first : first + 90].any((1, 2, 3))
        for counts in draw_batches(world, seed, boards)
    ]
    return float(np.concatenate(paged).mean())


class Delay(NamedTuple):
    """How soon a change is found."""

    median: float
    within_5: float


def measure_delay(world: World, change: Change, seed: int, boards: int) -> Delay:
    """Measures how many nights a change of the first application takes to page."""
    delays = list[float]()
    for counts in draw_batches(world, seed, boards, change):
        paged = find_pages(counts)[:, 0, :, change.night :].any(1)
        delays += list(np.where(paged.any(-1), paged.argmax(-1) + 1.0, np.inf))
    return Delay(float(np.median(delays)), float((np.array(delays) <= 5).mean()))


def replay_application(counts: Counts, board: int, until: int) -> list[Incident]:
    """Replays the first application of a board up to a night; returns its incidents."""
    nights = [MONDAY + timedelta(days=i) for i in range(until)]
    failed, size = counts.failed[board, 0], counts.size[board, 0]
    rows = {
        key: {
            night: SeriesNight(float(failed[i, t]), float(size[i, t]), int(size[i, t]))
            for t, night in enumerate(nights)
        }
        for i, key in enumerate(KEYS)
    }
    return replay_nights(History("app", nights, rows, KEYS, 30)).incidents


def involves(incident: Incident, change: Change) -> bool:
    """Whether an incident is about a change."""
    keys = {*(KEYS[i] for i in change.dimensions), WHOLE}
    return incident.opened >= change.night and bool(keys & set(incident.falls))


def share_remembered(
    world: World, change: Change, seed: int, boards: int, after: int
) -> tuple[float, float]:
    """Returns the shares of boards that opened an incident, and of these that are still open."""
    opened = still = 0
    for counts in draw_batches(world, seed, boards, change):
        for board in range(len(counts.failed)):
            found = replay_application(counts, board, change.night + after)
            about = [one for one in found if involves(one, change)]
            opened += bool(about)
            still += any(one.is_open for one in about)
    return opened / boards, still / max(opened, 1)


def measure_recovery(world: World, change: Change, seed: int, boards: int) -> float:
    """Returns the median of the nights from the end of a change to the end of its incident."""
    assert change.until
    waits = list[float]()
    for counts in draw_batches(world, seed, boards, change):
        for board in range(len(counts.failed)):
            found = replay_application(counts, board, world.nights)
            about = [one for one in found if involves(one, change)]
            ended = [one.ended for one in about if one.ended is not None]
            if about and len(ended) == len(about):
                waits.append(max(ended) - change.until + 1.0)
            elif about:
                waits.append(np.inf)
    return float(np.median(waits))


def count_pages_of_one_trace() -> int:
    """Counts the incidents of a night with one trace, which fails, after seven with 200."""
    nights = [MONDAY + timedelta(days=i) for i in range(8)]
    rows = {night: SeriesNight(20, 200, 200) for night in nights[:7]}
    rows[nights[7]] = SeriesNight(1, 1, 1)
    history = History("app", nights, {KEYS[0]: rows}, KEYS[:1], 30)
    return len(replay_nights(history).incidents)
