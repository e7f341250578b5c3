"""Promises of incidents: what opens, how long it is remembered, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from evals.reports.decide.falls import ALL, Key, step_recovery
from evals.reports.decide.incident_records import (
    Decision,
    History,
    Incident,
    KnownName,
    SeriesNight,
)
from evals.reports.decide.incidents import replay_nights

FIRST = date(2026, 1, 5)
A, B, C = ("a", "check", ALL), ("b", "check", ALL), ("c", "check", ALL)


def make_history(
    failed: dict[Key, Sequence[float]], size: float = 500, decisions: Sequence[Decision] = ()
) -> History:
    """An application whose dimensions fail so many a night."""
    length = len(next(iter(failed.values())))
    nights = [FIRST + timedelta(days=i) for i in range(length)]
    rows = {
        key: {night: SeriesNight(n, size, int(size)) for night, n in zip(nights, ns, strict=True)}
        for key, ns in failed.items()
    }
    return History("app", nights, rows, tuple(failed), 30, decisions)


def vary(level: float, nights: int, start: int = 0) -> list[float]:
    """Fails around a level, with a night's chance."""
    return [level + (-6, 4, -1, 7, -4, 0, 3, -3)[(start + t) * 5 % 8] for t in range(nights)]


def replay(history: History, until: int | None = None) -> list[Incident]:
    """Replays a history, or its first nights."""
    return replay_nights(replace(history, nights=history.nights[:until])).incidents


FALLEN = {A: [*vary(60, 40), *vary(135, 60, 40)], B: vary(50, 100), C: vary(30, 100, 3)}
"""A drop of 15 points from night 40 on, which does not recover."""
BACK = {**FALLEN, A: [*vary(60, 40), *vary(135, 20, 40), *vary(60, 40, 60)]}
NAME = "app-2026-02-14"


def test_a_drop_is_one_incident_that_is_remembered() -> None:
    """It opens within three nights, begins with the first of them, and is open 60 nights later."""
    (young,) = replay(make_history(FALLEN), 42)
    assert (young.name, young.first, young.state) == (NAME, 40, "open")
    (old,) = replay(make_history(FALLEN))
    assert (old.name, old.first, old.state, list(old.falls)) == (NAME, 40, "ongoing", [A])
    assert young.opened == old.opened <= 42


@pytest.mark.parametrize("nights", [1, 2, 3, 6, 8, 20])
def test_a_young_home_has_a_baseline_too(nights: int) -> None:
    """A drop after a few nights is compared with those, and begins with its own first night."""
    young = {A: [*vary(60, nights), *vary(250, 7, nights)]}
    (one,) = replay(make_history(young))
    assert one.first >= nights or nights == 1
    fall = one.falls[A]
    assert fall.fit.nights[0] > 0
    assert 0.5 < fall.level < 1


def test_a_drop_that_recovers_is_over() -> None:
    """It is no longer open a few nights after the old level is back, and not before."""
    assert [one.state for one in replay(make_history(BACK), 60)] == ["ongoing"]
    (one,) = replay(make_history(BACK))
    assert one.state == "recovered"
    assert one.ended is not None
    assert 60 <= one.ended <= 63


def test_half_a_recovery_is_an_improvement() -> None:
    """A drop of which half is undone is improved, and still open."""
    (one,) = replay(make_history({**FALLEN, A: [*vary(60, 40), *vary(150, 20), *vary(95, 40)]}))
    assert (one.state, one.is_open) == ("improved", True)


def test_dimensions_that_fall_together_are_one_incident() -> None:
    """A second dimension that fell two nights later joins it; its name stays."""
    both = {**FALLEN, B: [*vary(50, 42), *vary(125, 58, 42)]}
    (one,) = replay(make_history(both))
    assert one.name == NAME
    assert {A, B} <= set(one.falls)


def test_an_incident_begins_with_its_first_fall() -> None:
    """A dimension that fell earlier and is found later moves its first night, not its name."""
    slow = {**FALLEN, B: [*vary(50, 37), *vary(62, 4, 37), *vary(80, 59, 41)]}
    (one,) = replay(make_history(slow))
    assert one.name == NAME
    assert one.first == min(fall.start for fall in one.falls.values()) < 40


@pytest.mark.parametrize("days", [-7, -3, 2, 7])
def test_an_incident_keeps_its_name_where_its_first_night_moves(days: int) -> None:
    """It has the name of the report that had it, and what people decided under that name."""
    first = FIRST + timedelta(days=40 + days)
    known = KnownName(f"app-{first}", first)
    decision = Decision(known.name, FIRST + timedelta(days=60), "accept", "Ann", "wanted")
    history = replace(make_history(FALLEN, decisions=[decision]), names=[known])
    (one,) = replay(history)
    assert (one.name, one.first, one.state) == (known.name, 40, "accepted")


def test_a_name_belongs_to_one_incident() -> None:
    """One that began more than a week away is another's, and so is one that is taken."""
    far, other = (KnownName(f"app-{day}", day) for day in (date(2026, 2, 6), date(2026, 3, 18)))
    drops = {**FALLEN, B: [*vary(50, 75), *vary(125, 25)]}
    names = [one.name for one in replay(replace(make_history(drops), names=[far, other]))]
    assert names == [NAME, other.name]


def test_a_decision_waits_for_its_incident() -> None:
    """One from a night on before the incident opens counts once it is open."""
    decision = Decision(NAME, FIRST + timedelta(days=39), "accept", "Ann", "wanted")
    (one,) = replay(make_history(FALLEN, decisions=[decision]))
    assert (one.state, one.ended) == ("accepted", one.opened)


def test_a_later_drop_is_another_incident() -> None:
    """A dimension that falls weeks later has an incident of its own."""
    names = [
        one.name for one in replay(make_history({**FALLEN, B: [*vary(50, 75), *vary(125, 25)]}))
    ]
    assert names == [NAME, "app-2026-03-21"]


def test_a_fixed_drop_that_comes_back_reopens() -> None:
    """The same incident is open again, with the night on which it came back."""
    again = {**BACK, A: [*BACK[A][:75], *vary(135, 25)]}
    (one,) = replay(make_history(again))
    assert (one.name, one.state) == (NAME, "ongoing")
    assert one.reopened
    assert 75 <= one.reopened[0] <= 78


def decide(action: str, night: int) -> Decision:
    """A person's decision on the incident."""
    assert action in ("accept", "reopen")
    return Decision(NAME, FIRST + timedelta(days=night), action, "Ann", "the new tone")  # pyright: ignore


def test_an_accepted_drop_is_the_new_baseline() -> None:
    """From the night it is accepted on it is not open, later nights of that level open none."""
    history = make_history(FALLEN, decisions=[decide("accept", 50)])
    assert [one.state for one in replay(history, 50)] == ["ongoing"]
    (one,) = replay(history)
    assert (one.state, one.ended, one.decisions[0].by) == ("accepted", 50, "Ann")


def test_an_accepted_drop_may_fall_further() -> None:
    """A second drop after that is an incident of its own."""
    deeper = {**FALLEN, A: [*FALLEN[A][:80], *vary(230, 20)]}
    found = replay(make_history(deeper, decisions=[decide("accept", 50)]))
    assert [one.state for one in found] == ["accepted", "ongoing"]


def test_a_person_may_reopen() -> None:
    """An accepted incident that is reopened is compared with the old baseline again."""
    decisions = [decide("accept", 50), decide("reopen", 55)]
    (one,) = replay(make_history(FALLEN, decisions=decisions))
    assert (one.state, one.reopened) == ("ongoing", [55])
    (back,) = replay(make_history(BACK, decisions=[decide("accept", 45), decide("reopen", 47)]))
    assert back.state == "recovered"


def test_a_single_trace_or_session_is_no_incident() -> None:
    """One failing trace after 1,400 is none; neither is one session of 200 failing rows."""
    history = make_history({A: vary(20, 8)}, size=200)
    for last in (SeriesNight(1, 1, 1), SeriesNight(200, 200, 1), SeriesNight(1, 1, 200)):
        rows = {A: {**history.rows[A], history.nights[7]: last}}
        assert not replay(replace(history, rows=rows))


def test_the_same_nights_give_the_same_incidents() -> None:
    """A replay to any night is the beginning of a longer one."""
    history = make_history(BACK)
    whole = replay(history)
    for until in (41, 42, 45, 61, 80):
        for early, late in zip(replay(history, until), whole, strict=False):
            assert (early.name, early.first, early.opened) == (late.name, late.first, late.opened)


def test_another_version_of_an_evaluator_begins_anew() -> None:
    """Rates of two versions are never compared; an open incident is not closed by that."""
    history = make_history(FALLEN)
    rows = dict(history.rows)
    for key, first in ((B, 20), (A, 70)):
        rows[key] = {
            night: row._replace(
                version="v2" if i >= first else "v1", failed=row.failed - 40 * (i >= first)
            )
            for i, (night, row) in enumerate(rows[key].items())
        }
    (one,) = replay(replace(history, rows=rows))
    assert (one.name, one.state, list(one.falls)) == (NAME, "ongoing", [A])
    assert not one.falls[A].is_comparable
    last = history.nights[-1]
    accepted = Decision(NAME, last, "accept", "Ann", "the new rules are wanted")
    replayed = replay_nights(replace(history, rows=rows, decisions=[accepted]))
    assert [one.state for one in replayed.incidents] == ["accepted"]
    assert not replayed.usable[-1, :70].any(), "the mean has no night of two versions"


def test_evidence_of_a_recovery() -> None:
    """A night near the old level adds to it; nights at the low one leave it at 0."""
    assert step_recovery(0, 1.2, 1, 0.1) == pytest.approx(0.6)
    assert step_recovery(0.5, 1.2, 1, 1.2) == 0


def test_an_application_without_a_night() -> None:
    """A replay of no night is an error; one without a series has no incident."""
    with pytest.raises(ValueError, match="needs a night"):
        replay(make_history({A: []}))
    assert not replay(replace(make_history(FALLEN), rows={}, deciding=()))
