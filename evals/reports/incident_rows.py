"""The rows of a report's incidents: their fields and what each contains."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from evals.reports.decide.falls import ALL, WHOLE, Key
from evals.reports.decide.incident_records import Action, State
from evals.reports.json_form import Change, Count, Share, absent_if


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The nights of a rate, and what tonight adds to them."""

    dimension: str
    evaluator: str
    nights: Count
    """Of its baseline; with fewer than 28 the first rules apply."""
    expected: Share
    """Tonight's rate by the baseline and the weekday."""
    z: float
    """How far tonight is below that; negative: above."""
    score: float
    """The evidence of the nights up to tonight."""
    threshold: float
    """The score that opens an incident."""
    change: Change
    """The mean of the last seven nights minus what was expected; since the start of an incident
    that is open."""
    low: Change
    """Its lower bound (95%, one-sided)."""
    finds: Share
    """The drop that would be found within five nights in half the cases."""
    slice: str = absent_if(ALL)
    """Only of a slice that decides for itself."""

    @property
    def name(self) -> str:
        """Its dimension and slice."""
        return name_series((self.dimension, self.evaluator, self.slice))


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOrApplication:
    """A fall under one version of a judge, in what the judge and the application did."""

    anchors: Count
    """Answers that it had judged before, and judged again since the fall began."""
    judge: Change
    judge_low: Change
    """Lower end of its 95% interval."""
    judge_high: Change
    """Upper end of the same."""
    application: Change
    application_low: Change
    """Lower end of its 95% interval."""
    application_high: Change
    """Upper end of the same."""
    judge_alone: bool
    """Whether the judge accounts for the fall: then the rate is not measured and does not gate."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Involved:
    """A rate that fell in an incident."""

    dimension: str
    """Empty: the mean of all dimensions that decide."""
    evaluator: str
    before: Share
    """The rate of the nights before, which is the baseline while the incident is open."""
    after: Share
    """The rate since."""
    nights: Count
    """Since the first of them."""
    first: date = field(metadata={"key": "from"})
    recovered: bool = absent_if(False)
    comparable: bool = absent_if(True)
    """Whether the evaluator still has the version of the nights before; if not, no night shows a
    recovery."""
    slice: str = absent_if(ALL)
    """Only of a slice that decides for itself."""

    anchors: Count = absent_if(0)
    """Only where the evaluator changed: the anchors that carried the nights before over to it."""
    drift: JudgeOrApplication | None = absent_if(None)
    """Only where answers were judged again since: whether the judge fell or the application."""

    @property
    def is_of_judge(self) -> bool:
        """Whether the judge alone accounts for it."""
        return self.drift is not None and self.drift.judge_alone

    @property
    def series(self) -> Key:
        """Dimension, evaluator and slice."""
        return (self.dimension, self.evaluator, self.slice)

    @property
    def name(self) -> str:
        """Its dimension and slice."""
        return name_series(self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a person decided on an incident."""

    action: Action
    by: str
    reason: str
    night: date
    """The first night whose report it counts for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow:
    """Rates of the application that fell together."""

    name: str
    """The same on every night."""
    state: State
    """`open` on the night it opens, then `ongoing` or `improved` (half undone), at last
    `recovered` or `accepted` (by a person)."""
    decides: bool
    """Whether a rate that decides is involved: then the gate is regressed while it is open."""
    first: date = field(metadata={"key": "from"})
    last: date = field(metadata={"key": "to"})
    """Its last night, or tonight."""
    opened: date
    """The night whose evidence sufficed."""
    reopened: tuple[date, ...] = absent_if(())
    owner: str = absent_if("")
    rates: tuple[Involved, ...]
    done: tuple[Decided, ...] = absent_if(())
    """What people decided."""

    @property
    def is_open(self) -> bool:
        """Whether it is neither recovered nor accepted."""
        return self.state not in ("recovered", "accepted")

    @property
    def needs_person(self) -> bool:
        """Whether no night can show that it recovered, since an evaluator changed."""
        left = [rate for rate in self.rates if not rate.recovered]
        return self.is_open and any(not rate.comparable for rate in left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents:
    """The incidents of an application, and the nights they were found in."""

    nights: Count = 0
    """Nights that were read, tonight among them."""
    first: date | None = field(default=None, metadata={"key": "from"})
    """The first of them."""
    board_series: Count = 0
    """Series of all applications, which the thresholds allow for."""
    series: tuple[Series, ...] = ()
    rows: tuple[IncidentRow, ...] = ()
    """Those that are open, and those that ended in the last 28 nights."""

    def list_open(self) -> list[IncidentRow]:
        """Returns the incidents for which the gate is regressed."""
        return [row for row in self.rows if row.is_open and row.decides]

    def find_start(self, key: Key) -> date | None:
        """Finds since when a rate is down; None where no open incident involves it."""
        involved = (rate for row in self.rows if row.is_open for rate in row.rates)
        starts = (r.first for r in involved if r.series == key and not r.recovered)
        return next(starts, None)

    def find_drift(self, key: Key) -> tuple[str, bool]:
        """Finds what is known of the judge's part in a fall, and whether it is the judge's alone.

        Without a fall, or an anchor, the words are empty.
        """
        involved = (rate for row in self.rows if row.is_open for rate in row.rates)
        own = (r for r in involved if r.series == key and not r.recovered)
        found = next((r.drift for r in own if r.drift), None)
        return (found.words, found.judge_alone) if found else ("", False)

    def find_series(self, key: Key) -> Series | None:
        """Finds the series of a rate; None where it has none."""
        own = (one for one in self.series if (one.dimension, one.evaluator, one.slice) == key)
        return next(own, None)


def name_series(key: Key) -> str:
    """Returns the name of a series for a sentence."""
    dimension, _, name = key
    if key == WHOLE:
        return "all dimensions together"
    return dimension if name == ALL else f"{dimension} on {name}"
