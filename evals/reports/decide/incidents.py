"""Incidents of an application, replayed from its nights: opened, recovered, accepted, reopened.

The same nights and the same words of people give the same incidents, whatever ran when. The
evidence of a night is in `evals.statistics.series`; the gate's outcome is in `conclusion`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from evals.reports.decide.carried_series import CarriedSeries
from evals.reports.decide.falls import ALL, WHOLE, Fall, Key, freeze_baseline, open_fall
from evals.reports.decide.incident_records import (
    History,
    Incident,
    Replayed,
)
from evals.statistics import series
from evals.statistics.series import Fit, NightEvidence, Panel

TOGETHER = 7
"""Dimensions whose falls began within so many nights are one incident."""
REMEMBERED = 28
"""A dimension that falls again so soon after it recovered reopens its incident."""
LEAST_FAILED = 2
LEAST_SESSIONS = 2


def replay_nights(history: History) -> Replayed:
    """Replays an application's nights in order, and returns its incidents.

    Raises:
        ValueError: there is no night.
    """
    if not history.nights:
        raise ValueError("a replay needs a night")
    replay = Replay(history)
    for night in range(len(history.nights)):
        replay.add_night(night)
    return Replayed(
        (*replay.keys, WHOLE),
        replay.panel,
        replay.usable,
        replay.evidence,
        replay.last,
        replay.incidents,
        replay.carried.by_key,
    )


def make_history_panel(history: History, keys: Sequence[Key]) -> Panel:
    """Makes the panel of an application's series and their mean."""
    shape = (len(keys), len(history.nights))
    failed, size = np.zeros(shape), np.zeros(shape)
    for i, key in enumerate(keys):
        for t, night in enumerate(history.nights):
            if row := history.rows[key].get(night):
                failed[i, t], size[i, t] = row.failed, row.size
    weekdays = np.array([night.weekday() for night in history.nights])
    of_mean = history.wholes if history.averaged is None else history.averaged
    is_averaged = np.array([key in of_mean for key in keys], dtype=bool)
    return series.add_mean(series.make_panel(failed, size, weekdays), is_averaged)


class Replay:
    """The state of an application while its nights are replayed."""

    last: NightEvidence

    def __init__(self, history: History) -> None:
        self.history = history
        self.keys = tuple(sorted(history.rows))
        self.panel = make_history_panel(history, self.keys)
        self.evidence = series.start_evidence(self.panel)
        self.usable = np.ones(self.panel.y.shape, dtype=bool)
        self.incidents: list[Incident] = []
        self.began = [0] * len(self.panel.y)
        """The first night of the present evaluator version of each series."""
        self.carried = CarriedSeries(self.panel)
        self.unapplied = sorted(history.decisions, key=lambda one: one.night)

    def add_night(self, night: int) -> None:
        """Adds a night: its evidence, what it opens and closes, and what people decided."""
        self.restart_changed(night)
        open_falls = {f.key: f for one in self.incidents for f in one.list_open_falls()}
        order = (*self.keys, WHOLE)
        self.last = series.weigh_night(
            self.evidence,
            self.panel,
            night,
            usable=self.usable,
            is_disturbed=np.array([key in open_falls for key in order]),
            series=self.history.board_series,
            is_dimension=np.array([key[2] == ALL and key != WHOLE for key in order]),
        )
        for i, key in enumerate(order):
            if fall := open_falls.get(key):
                self.forget_evidence(i, night)
                fall.add_night(self.select_series(i), night)
                if fall.is_over:
                    self.usable[i, fall.start : night + 1] = False
        paged = [i for i, key in enumerate(order) if self.last.pages[i] and key not in open_falls]
        for i in paged:
            if order[i] != WHOLE or not self.is_explained(night):
                self.open_fall(order[i], i, night)
        self.open_carried_falls(night)
        self.is_explained(night)
        for one in self.incidents:
            self.update_state(one, night)
        self.apply_decisions(night)

    def is_explained(self, night: int) -> bool:
        """Whether dimensions explain a fall of the whole: then its nights do not count."""
        falls = [fall for one in self.incidents for fall in one.list_open_falls()]
        starts = [fall.start for fall in falls if fall.key in self.history.wholes]
        if starts and not any(fall.key == WHOLE for fall in falls):
            self.usable[-1, min(starts) : night + 1] = False
            self.forget_evidence(-1, night)
        return bool(starts)

    def restart_changed(self, night: int) -> None:
        """Begins a series anew where its evaluator has another version than before."""
        for i, key in enumerate(self.keys):
            rows, nights = self.history.rows[key], self.history.nights
            now = rows.get(nights[night])
            past = (rows[day].version for day in reversed(nights[:night]) if day in rows)
            if now and (before := next(past, None)) is not None and before != now.version:
                is_carried = self.carry_series(i, before, now.version, night)
                self.restart_series(i, night, is_carried=is_carried)
                if key in self.history.wholes:
                    self.restart_series(len(self.keys), night)

    def carry_series(self, i: int, before: str, now: str, night: int) -> bool:
        """Carries a series over to another version of its evaluator; whether anchors suffice."""
        key = self.keys[i]
        found = self.history.bridges.get((*key[:2], now)) if key[2] == ALL else None
        if found is None or found.before_version != before or not found.is_enough:
            self.carried.drop(i, key)
            return False
        return self.carried.carry(i, key, found.bridge, self.usable[i], night)

    def restart_series(self, i: int, night: int, *, is_carried: bool = False) -> None:
        """Begins a series anew: no night before is compared with.

        Where it is carried over, what has fallen is compared with the baseline before it.
        """
        key = (*self.keys, WHOLE)[i]
        for fall in (fall for one in self.incidents for fall in one.falls.values()):
            if fall.key == key and is_carried:
                fall.fit = self.carried.fit_before(i, fall.start)
                fall.error = float(self.carried.error[i])
            elif fall.key == key:
                fall.is_comparable = False
        self.usable[i, :night] = False
        self.began[i] = night
        self.forget_evidence(i, night)

    def open_carried_falls(self, night: int) -> None:
        """Opens the falls of series that are lower than the baseline that was carried over."""
        is_open = {fall.key for one in self.incidents for fall in one.list_open_falls()}
        for i, key in enumerate(self.keys):
            one = self.carried.by_key.get(key)
            if one is None or not np.isfinite(self.panel.y[i, night]):
                continue
            if key in is_open or one.is_over(self.usable[i], night):
                self.carried.drop(i, key)
            elif one.weigh(self.select_series(i), night, float(self.last.lag[i])).pages:
                self.add_fall(key, i, one.since, night, one.fit, one.error)

    def forget_evidence(self, i: int, night: int) -> None:
        """Removes a series' evidence up to a night: later windows begin after it."""
        for values in self.evidence:
            values[i, : night + 1] = np.nan

    def open_fall(self, key: Key, i: int, night: int) -> None:
        """Opens a fall of a series, in the incident it belongs to, if the evidence suffices."""
        start = max(0, night - int(self.last.window[i]) + 1)
        while not np.isfinite(self.evidence.white[i, start]):
            start += 1
        fit = freeze_baseline(self.select_series(i), self.usable[i], start)
        self.add_fall(key, i, start, night, fit)

    def add_fall(
        self, key: Key, i: int, start: int, night: int, fit: Fit, error: float = 0.0
    ) -> None:
        """Adds a fall to the incident it belongs to, unless it is too little or too small."""
        if not self.has_least_evidence(key, start, night):
            return
        fall = open_fall(key, self.select_series(i), fit, start, night)
        fall.error = error
        margin = self.history.max_drops.get(key, self.history.max_drop)
        if fall.find_largest(self.select_series(i), night) <= margin:
            return
        incident = self.find_incident(fall, night)
        if not incident.is_open:
            incident.state, incident.ended = "open", None
            incident.reopened.append(night)
        incident.first = min(incident.first, fall.start)
        incident.falls[key] = fall
        self.forget_evidence(i, night)

    def select_series(self, i: int) -> Panel:
        """Returns the panel of a series alone."""
        panel = self.panel
        return Panel(panel.y[i : i + 1], panel.variance[i : i + 1], panel.weekdays)

    def has_least_evidence(self, key: Key, start: int, night: int) -> bool:
        """Whether a window has fails of more than one trace and more than one session."""
        keys = self.history.wholes if key == WHOLE else (key,)
        days = self.history.nights[start : night + 1]
        rows = [row for k in keys for day in days if (row := self.history.rows[k].get(day))]
        failed, sessions = sum(row.failed for row in rows), sum(row.sessions for row in rows)
        return failed >= LEAST_FAILED and sessions >= LEAST_SESSIONS * len(keys)

    def find_incident(self, fall: Fall, night: int) -> Incident:
        """Finds the incident that a fall belongs to, or adds one."""
        for one in reversed(self.incidents):
            since = night - one.ended if one.ended is not None else 0
            again = fall.key in one.falls and since <= REMEMBERED
            if one.state != "accepted" and (again or abs(fall.start - one.first) <= TOGETHER):
                return one
        incident = Incident(self.name_incident(fall.start), fall.start, night, {})
        self.incidents.append(incident)
        return incident

    def name_incident(self, start: int) -> str:
        """Names an incident: as reports did that had it, else after its first night.

        A corrected night, or another number of series, may move the first night by a few; the
        name stays, and with it what people decided.
        """
        first, used = self.history.nights[start], {one.name for one in self.incidents}
        near = [
            (abs((known.first - first).days), known.name)
            for known in self.history.names
            if known.name not in used and abs((known.first - first).days) <= TOGETHER
        ]
        if near:
            return min(near)[1]
        name = f"{self.history.app}-{first.isoformat()}"
        used.update(known.name for known in self.history.names)
        others = (f"{name}-{number}" for number in itertools.count(2))
        return next(one for one in itertools.chain((name,), others) if one not in used)

    def update_state(self, incident: Incident, night: int) -> None:
        """Sets the state of an open incident after a night."""
        if not incident.is_open:
            return
        open_falls = incident.list_open_falls()
        if not open_falls:
            incident.state, incident.ended = "recovered", night
        elif night in (incident.opened, *incident.reopened):
            incident.state = "open"
        else:
            improved = all(fall.is_improved for fall in open_falls)
            incident.state = "improved" if improved else "ongoing"

    def apply_decisions(self, night: int) -> None:
        """Applies what people decided by a night, once the incident is there."""
        found = {one.name: one for one in self.incidents}
        is_due = [
            decision.night <= self.history.nights[night] and decision.incident in found
            for decision in self.unapplied
        ]
        for decision in itertools.compress(self.unapplied, is_due):
            one = found[decision.incident]
            one.decisions.append(decision)
            if decision.action == "accept" and one.is_open:
                self.accept(one, night)
            elif decision.action == "reopen" and not one.is_open:
                self.reopen(one, night)
        self.unapplied = [d for d, due in zip(self.unapplied, is_due, strict=True) if not due]

    def accept(self, incident: Incident, night: int) -> None:
        """Takes the level since the start of an incident as the new baseline."""
        for fall in incident.list_open_falls():
            i = (*self.keys, WHOLE).index(fall.key)
            self.carried.drop(i, fall.key)
            fall.usable = self.usable[i].copy()
            self.usable[i, : fall.start] = False
            self.forget_evidence(i, night)
            if fall.key in self.history.wholes:
                start = max(fall.start, self.began[-1])
                self.usable[-1, :start], self.usable[-1, start:] = False, True
        incident.state, incident.ended = "accepted", night

    def reopen(self, incident: Incident, night: int) -> None:
        """Opens an incident again: its series are compared with the baseline before it."""
        for fall in incident.falls.values():
            i = (*self.keys, WHOLE).index(fall.key)
            fall.is_over, fall.recovery = False, 0.0
            if fall.usable is not None:
                self.usable[i] = fall.usable
                self.usable[i, : self.began[i]] = False
            self.forget_evidence(i, night)
        incident.state, incident.ended = "open", None
        incident.reopened.append(night)
