"""Incidents of the application, and the series of nights that they are opened from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from evals.reports.decide.incident_records import Decision, History, Incident, Replayed
from evals.reports.decide.incidents import replay_nights
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
from evals.reports.incident_rows import (
    Decided,
    IncidentRow,
    Incidents,
    Involved,
    JudgeOrApplication,
    Series,
)
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section
from evals.statistics import Effect, Proportion

LARGE = 1_000_000
"""Rows of a baseline that is known exactly."""
REMEMBERED = 28
"""Nights for which an incident that ended is shown."""


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
