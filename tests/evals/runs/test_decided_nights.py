"""Which nights a decision on an incident makes due."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

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
