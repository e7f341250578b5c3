"""Incidents of the application, and the series of nights that they are opened from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from evals.reports.decide.anchors import (
    attribute_change,
    find_bridges,
    find_repeated,
    label_anchors,
)
from evals.reports.decide.evidence import Evidence
from evals.reports.decide.falls import ALL, WHOLE, Fall, Key
from evals.reports.decide.incidents import (
    Action,
    Decision,
    History,
    Incident,
    Replayed,
    State,
    replay_nights,
)
from evals.reports.decide.nightly_series import build_history, describe_series, find_rate
from evals.reports.decide.rows import (
    Anchor,
    Canary,
    Covered,
    Labelled,
    Rate,
    StratumCount,
    read_rows,
)
from evals.reports.json_form import Change, Count, Share, absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section
from evals.statistics import Effect, Proportion

LARGE = 1_000_000
"""Rows of a baseline that is known exactly."""
REMEMBERED = 28
"""Nights for which an incident that ended is shown."""


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


class Given(NamedTuple):
    """What incidents are replayed from."""

    owner: str
    history: History
    anchors: Sequence[Anchor] = ()
    versions: Mapping[Key, str] = MappingProxyType({})
    """The evaluator version of each series tonight."""


def collect_evidence(night: NightData) -> Evidence:
    """Reads rates of this night and of the baseline's, labels, coverage, canaries and anchors."""
    anchors = read_rows(Anchor, night.read_anchors_so_far())
    return Evidence(
        date=night.date,
        app=night.app,
        rates=read_rows(Rate, night.read_rows_tonight("rpt_rates")),
        history=read_rows(Rate, night.read_rows_before("rpt_rates")),
        dimensions=night.dimensions,
        evaluators=night.evaluators,
        agreement=[
            *read_rows(Labelled, night.read_rows_so_far("fct_agreement")),
            *label_anchors(anchors),
        ],
        coverage=read_rows(Covered, night.read_table_rows("coverage")),
        coverage_before=read_rows(Covered, night.read_table_rows_before("coverage")),
        canaries=read_rows(Canary, night.read_table_rows("canaries")),
        attacks=night.attacks,
        blessed=night.blessed,
        strata=read_rows(
            StratumCount,
            [*night.read_rows_before("rpt_strata"), *night.read_rows_tonight("rpt_strata")],
        ),
        bridges=find_bridges(anchors),
    )


def collect(night: NightData) -> Given:
    """Reads the rates of all nights so far."""
    declared = {name for one in night.dimensions.values() for name in one.slices}
    rates = read_rows(Rate, night.read_rates_so_far([ALL, *sorted(declared)]))
    decisions = night.incident_decisions
    evidence = collect_evidence(night)
    strata = read_rows(StratumCount, night.read_rows_so_far("rpt_strata"))
    history = build_history(
        evidence, rates, decisions, night.board_applications, strata, night.incident_names
    )
    anchors = read_rows(Anchor, night.read_anchors_so_far())
    versions = {row.series: row.evaluator_version for row in evidence.rates if row.slice == ALL}
    return Given(night.app.owner, history, anchors, versions)


def build(given: Given, parts: Parts) -> Incidents:
    """Replays the nights."""
    del parts
    history = given.history
    replayed = replay_nights(history)
    last = len(history.nights) - 1
    shown = (
        one
        for one in replayed.incidents
        if one.is_open or (one.ended is not None and last - one.ended < REMEMBERED)
    )
    return Incidents(
        nights=len(history.nights),
        first=history.nights[0],
        board_series=history.board_series,
        series=build_series(replayed),
        rows=tuple(build_row(one, replayed, given) for one in shown),
    )


def build_series(replayed: Replayed) -> tuple[Series, ...]:
    """Returns the series as the report shows them."""
    return tuple(
        Series(
            dimension=dimension,
            evaluator=evaluator,
            nights=state.nights,
            expected=round_figure(state.expected),
            z=round(state.z, 4) + 0.0,
            score=round(state.score, 4) + 0.0,
            threshold=round(state.threshold, 4),
            change=round_figure(state.change),
            low=round_figure(state.low),
            finds=round_figure(state.finds),
            slice=name,
        )
        for (dimension, evaluator, name), state in describe_series(replayed).items()
    )


def build_row(one: Incident, replayed: Replayed, given: Given) -> IncidentRow:
    """Returns an incident as the report shows it."""
    nights, deciding = given.history.nights, set(given.history.deciding)
    involved = {key: build_involved(fall, replayed, given) for key, fall in one.falls.items()}
    return IncidentRow(
        name=one.name,
        state=one.state,
        decides=any(
            (key == WHOLE or key in deciding) and not rate.is_of_judge
            for key, rate in involved.items()
        ),
        first=nights[one.first],
        last=nights[-1 if one.ended is None else one.ended],
        opened=nights[one.opened],
        reopened=tuple(nights[night] for night in one.reopened),
        owner=given.owner,
        rates=tuple(involved.values()),
        done=tuple(map(build_decided, one.decisions)),
    )


def build_involved(fall: Fall, replayed: Replayed, given: Given) -> Involved:
    """Returns a fall as the report shows it."""
    dimension, evaluator, name = fall.key
    weekday = int(replayed.panel.weekdays[fall.start])
    expected = float(fall.fit.expect(weekday)[0])
    mean = math.fsum(fall.excess) / len(fall.excess)
    bridge = given.history.bridges.get((dimension, evaluator, given.versions.get(fall.key, "")))
    return Involved(
        dimension=dimension,
        evaluator=evaluator,
        before=round_figure(1 - find_rate(expected)),
        after=round_figure(1 - find_rate(expected + mean)),
        nights=len(fall.excess),
        first=given.history.nights[fall.start],
        recovered=fall.is_over,
        comparable=fall.is_comparable,
        slice=name,
        anchors=bridge.answered if bridge and fall.error else 0,
        drift=build_drift(fall, replayed, given, expected),
    )


def build_drift(
    fall: Fall, replayed: Replayed, given: Given, expected: float
) -> JudgeOrApplication | None:
    """Returns what the judge did of a fall; None where nothing was judged again since."""
    nights, version = given.history.nights, given.versions.get(fall.key)
    if version is None or fall.is_over or not fall.is_comparable:
        return None
    identity = (*fall.key[:2], version)
    found = find_repeated(given.anchors, identity, nights[fall.start], nights[-1])
    if found is None or not found.answered:
        return None
    i, whole = replayed.keys.index(fall.key), float(fall.fit.spread[0] + fall.fit.sampling[0])
    variance = replayed.panel.variance[i, fall.start :]
    spread = float(fall.fit.spread[0] + np.nanmean(variance)) / len(fall.excess)
    mean = math.fsum(fall.excess) / len(fall.excess)
    after, rate = 1 - find_rate(expected + mean), 1 - find_rate(expected)
    size = float(fall.fit.nights[0]) / whole if whole else LARGE
    se = math.sqrt(spread * max(after * (1 - after), 1 / LARGE))
    before = Proportion(rate * LARGE, LARGE, max(1.0, min(size, LARGE)))
    shown = attribute_change(found, before, Effect(after, se))
    return JudgeOrApplication(
        anchors=shown.anchors,
        judge=round_figure(shown.judge.value),
        judge_low=round_figure(shown.judge.low),
        judge_high=round_figure(shown.judge.high),
        application=round_figure(shown.application.value),
        application_low=round_figure(shown.application.low),
        application_high=round_figure(shown.application.high),
        judge_alone=shown.is_judge,
        words=shown.describe(),
    )


def build_decided(decision: Decision) -> Decided:
    """Returns a person's decision as the report shows it."""
    return Decided(
        action=decision.action, by=decision.by, reason=decision.reason, night=decision.night
    )


def make_none(night: NightData) -> Incidents:
    """Returns the section of a refused night."""
    del night
    return Incidents()


SECTION = Section[Given, Incidents](
    name="incidents",
    about="Incidents of the application: what fell, since when, and what was done; and the series "
    "of nights they are found in.",
    part=Incidents,
    collect=collect,
    build=build,
    empty=make_none,
    default=Incidents(),
)
