"""What incidents are replayed from, and what a replay returns: records of nights and incidents.

How nights are replayed is `incidents`'.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

from evals.reports.decide.anchors import Anchored
from evals.reports.decide.carried_series import Carried
from evals.reports.decide.falls import ALL, Fall, Key
from evals.reports.decide.rows import Identity
from evals.statistics.series import Bools, Evidence, NightEvidence, Panel

State = Literal["open", "ongoing", "improved", "recovered", "accepted"]
"""`open` on the night it is opened; `improved`: half of it or more is undone."""
Action = Literal["accept", "reopen"]


class SeriesNight(NamedTuple):
    """A night of a series."""

    failed: float
    size: float
    """The effective sample size."""
    sessions: int
    version: str = ""
    """Of the evaluator: rates of two versions are never compared."""


class Decision(NamedTuple):
    """What a person decided on an incident."""

    incident: str
    night: date
    """The first night it counts for."""
    action: Action
    by: str
    reason: str


class KnownName(NamedTuple):
    """The name that an incident has in a stored report."""

    name: str
    first: date
    """Its first night, as that report has it."""


@dataclass(frozen=True)
class History:
    """The nights of an application up to one of them, oldest first."""

    app: str
    nights: Sequence[date]
    rows: Mapping[Key, Mapping[date, SeriesNight]]
    deciding: Collection[Key]
    """The series that may open an incident of the whole application."""
    board_series: int
    """The number of series of all applications: more series need more evidence each."""
    decisions: Sequence[Decision] = ()
    max_drop: float = 0.05
    """A fall that is certainly smaller opens nothing."""
    max_drops: Mapping[Key, float] = field(default_factory=dict[Key, float])
    """The same of series with a margin of their own."""
    averaged: Collection[Key] | None = None
    """The series whose mean is the whole application; None: all that decide, without slices."""
    names: Sequence[KnownName] = ()
    """Names that reports gave: an incident keeps its own where its first night moves."""
    bridges: Mapping[Identity, Anchored] = field(default_factory=dict[Identity, Anchored])
    """By evaluator version: what anchors show of it and of the version before it."""

    @property
    def wholes(self) -> list[Key]:
        """The series of all traces that decide."""
        return [key for key in self.deciding if key[2] == ALL]


@dataclass
class Incident:
    """Series of an application that fell together."""

    name: str
    first: int
    """The position of its first night."""
    opened: int
    falls: dict[Key, Fall]
    state: State = "open"
    ended: int | None = None
    """The position of the night on which it recovered or was accepted."""
    reopened: list[int] = field(default_factory=list[int])
    decisions: list[Decision] = field(default_factory=list[Decision])

    @property
    def is_open(self) -> bool:
        """Whether it is neither recovered nor accepted."""
        return self.state not in ("recovered", "accepted")

    def list_open_falls(self) -> list[Fall]:
        """Returns the series that have not recovered."""
        return [fall for fall in self.falls.values() if not fall.is_over] if self.is_open else []


class Replayed(NamedTuple):
    """The state of an application after its last night."""

    keys: tuple[Key, ...]
    """Of the series, in the order of the arrays; `WHOLE` is the last."""
    panel: Panel
    usable: Bools
    evidence: Evidence
    last: NightEvidence
    incidents: list[Incident]
    carried: Mapping[Key, Carried]
    """The series whose evaluator changed lately, with the baseline carried over."""

    def find_fall(self, key: Key) -> Fall | None:
        """Finds the open fall of a series."""
        falls = (fall for one in self.incidents for fall in one.list_open_falls())
        return next((fall for fall in falls if fall.key == key), None)
