"""Which nights a decision on an incident, or a corrected night, affects."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from evals.reports.renewal import list_followers
from evals.runs.night_locks import digest_inputs
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.incident_decisions import StoredDecision, add_decision
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 8)


def test_a_decision_makes_its_nights_due_and_no_other(tmp_path: Path) -> None:
    """The reports of its application from its night on; a home without one has the same digests."""
    lake, catalog = Lake(tmp_path / "home"), Catalog(root=tmp_path)
    nights = [NIGHT + timedelta(days=days) for days in (-1, 0, 1)]
    for night, app in zip(nights, ("chat", "chat", "other"), strict=True):
        night_state.update_state(lake, night, apps={app: {}})
    before = [digest_inputs(lake, catalog, night) for night in nights]
    decision = StoredDecision("chat", "chat-2026-10-06", NIGHT, "accept", "Ann", "wanted", "now")
    add_decision(lake, decision)
    after = [digest_inputs(lake, catalog, night) for night in nights]
    assert [was == now for was, now in zip(before, after, strict=True)] == [True, False, True]


def test_a_corrected_night_changes_the_history_of_later_nights_alone(tmp_path: Path) -> None:
    """Nights up to it are as they were; a night whose rates are not known is no part of it."""
    lake = Lake(tmp_path / "home")
    nights = [NIGHT + timedelta(days=days) for days in range(4)]
    for night, rates in zip(nights, ("a", "b", None, "c"), strict=True):
        night_state.update_state(lake, night, rates=rates)
    before = night_state.digest_histories(lake)
    assert before[nights[2]] == before[nights[3]]
    night_state.update_state(lake, nights[1], rates="corrected")
    after = night_state.digest_histories(lake)
    assert [before[n] == after[n] for n in nights] == [True, True, False, False]


def test_a_corrected_application_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    """Another one's history is the same, and so are the last weeks of a night long after it."""
    lake = Lake(tmp_path / "home")
    nights = [NIGHT + timedelta(days=days) for days in (0, 3, 40)]
    for night in nights:
        night_state.update_state(
            lake, night, apps={"chat": {}, "shop": {}}, app_rates={"chat": "c", "shop": "s"}
        )
    before = [night_state.digest_app_histories(lake, night) for night in nights]
    night_state.update_state(lake, NIGHT, app_rates={"chat": "corrected", "shop": "s"})
    after = [night_state.digest_app_histories(lake, night) for night in nights]
    assert [was["shop"] == now["shop"] for was, now in zip(before, after, strict=True)] == [
        True
    ] * 3
    chat = [(was["chat"], now["chat"]) for was, now in zip(before, after, strict=True)]
    assert [was.whole == now.whole for was, now in chat] == [True, False, False]
    assert [was.recent == now.recent for was, now in chat] == [True, False, True]


def test_later_nights_of_a_due_one_are_listed_for_its_applications(tmp_path: Path) -> None:
    """They may be reported anew; earlier ones and other applications are not listed."""
    lake, catalog = Lake(tmp_path / "home"), Catalog(root=tmp_path)
    nights = [NIGHT + timedelta(days=days) for days in range(4)]
    for night, apps in zip(nights, (("chat",), ("chat",), ("chat", "shop"), ()), strict=True):
        night_state.update_state(
            lake, night, apps={app: {} for app in apps}, reports=dict.fromkeys(apps, "v")
        )
        night_state.update_state(lake, night, seen=digest_inputs(lake, catalog, night))
    assert list_followers(lake, catalog) == {}
    night_state.update_state(lake, nights[1], seen="other inputs")
    assert list_followers(lake, catalog) == {"chat": [nights[2]]}
