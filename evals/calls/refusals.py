"""Rate limits that come at any load, distinguished from those that the load causes.

Pure: `concurrency` passes the load and the outcome of each call, and narrows where load matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

RATIO = 1.4
"""The width of a range of loads."""
ENOUGH = 16.0
"""Calls that are needed to estimate the share refused at a load."""
FAR = 1.9
"""How many times higher a load must be to be compared with."""
LEAST_SHARE, MOST_SHARE = 0.03, 0.7
"""A share between these may come at any load; a higher one shows no more than a limit."""
MARGIN = 1.25
"""How many refusals pass as independent of the load, as a multiple of those expected."""
MOST_CREDIT = 8.0
HALF_LIFE_S = 20.0
"""Seconds after which a call counts half, so that a burst the provider let pass is forgotten."""
MOST_AGE_S = 0.5
"""The most seconds from one call to the next that count, so that calls far apart are remembered."""


@dataclass
class LoadRange:
    """The calls made at loads within a range; those of long ago count less."""

    calls: float = 0.0
    refused: float = 0.0
    load: float = 0.0
    """The sum of their loads."""

    @property
    def share(self) -> float:
        """The share refused."""
        return self.refused / self.calls

    @property
    def mean_load(self) -> float:
        """The mean of their loads."""
        return self.load / self.calls

    def add(self, load: float, *, refused: bool) -> None:
        """Counts a call."""
        self.calls += 1
        self.refused += refused
        self.load += load

    def fade(self, share: float) -> None:
        """Lets the calls so far count less."""
        self.calls, self.refused, self.load = (
            share * count for count in (self.calls, self.refused, self.load)
        )

    def merge(self, other: LoadRange) -> LoadRange:
        """Returns the calls of both."""
        return LoadRange(
            self.calls + other.calls, self.refused + other.refused, self.load + other.load
        )

    def is_limited(self, higher: LoadRange) -> bool:
        """Whether a limit explains the shares here and at a higher load.

        Under a limit as many calls are answered at any load above it; without one, as many more
        as the load is higher. The middle between both decides.
        """
        loads = higher.mean_load / self.mean_load
        answered = (1.0 - higher.share) / (1.0 - self.share) * loads
        return answered < math.sqrt(loads)


@dataclass
class Refusals:
    """Rate limits by load; of those that no load explains, as many pass as are expected."""

    ranges: dict[int, LoadRange] = field(default_factory=dict[int, LoadRange])
    credit: float = 0.0
    """Rate limits that may still pass as independent of the load."""
    age_s: float = 0.0
    """Seconds for which the counts have not faded yet."""
    last_at: float = 0.0
    has_refused: bool = False
    """Whether any call was refused; most providers refuse none."""

    def record(self, load: float, now: float, *, refused: bool) -> bool:
        """Counts a call; returns whether it was refused because of the load, as far as is known."""
        self.fade(now)
        number = math.floor(math.log(load, RATIO))
        if (calls := self.ranges.get(number)) is None:
            calls = self.ranges[number] = LoadRange()
        calls.add(load, refused=refused)
        self.has_refused = self.has_refused or refused
        if not self.has_refused:
            return False
        self.credit = min(MOST_CREDIT, self.credit + MARGIN * self.estimate_share())
        if refused and self.credit >= 1.0:
            self.credit -= 1.0
            return False
        return refused

    def fade(self, now: float) -> None:
        """Lets calls count less with time."""
        self.age_s += min(now - self.last_at, MOST_AGE_S)
        self.last_at = now
        if self.age_s > 1.0:
            for one in self.ranges.values():
                one.fade(0.5 ** (self.age_s / HALF_LIFE_S))
            self.age_s = 0.0

    def estimate_share(self) -> float:
        """Estimates the share refused at any load: that at the lowest loads, if none explains it.

        0 until calls at two loads are known.
        """
        low, *higher = self.group_ranges() or [LoadRange(1.0)]
        far = [one for one in higher if one.mean_load >= FAR * low.mean_load]
        if not far or not LEAST_SHARE <= low.share <= MOST_SHARE:
            return 0.0
        limited = sum(map(low.is_limited, far))
        return low.share if 2 * limited < len(far) else 0.0

    def group_ranges(self) -> list[LoadRange]:
        """Returns neighbouring ranges together that have enough calls, lowest load first."""
        groups: list[LoadRange] = []
        group = LoadRange()
        for number in sorted(self.ranges):
            group = group.merge(self.ranges[number])
            if group.calls >= ENOUGH:
                groups.append(group)
                group = LoadRange()
        return groups
