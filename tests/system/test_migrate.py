"""A home of an earlier release, moved forward by the command line: nothing is paid or done anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evals.storage.migrations.old_home import unpack_home
from tests.system.teams import Team


@pytest.mark.slow
def test_a_migrated_home_makes_no_call_and_has_nothing_to_do(tmp_path: Path) -> None:
    """Its judges are at an address where nobody listens; then a new night is reported."""
    unpack_home(1, tmp_path)
    team = Team(tmp_path)
    assert "run `andon migrate" in team.run("plan", code=4).errors
    assert team.run_json("migrate", "--dry-run")["after"] == 1
    before = team.read_reports()
    assert team.run_json("migrate")["after"] > 1
    assert team.run_json("plan")["calls"] == 0
    done = team.run_nightly()
    assert (done["nights"], done["calls"], done["failures"]) == ([], 0, [])
    assert team.read_reports() == before
    rows = [{"trace_id": "new", "ts": "2026-03-05T09:00:00Z", "app": "cards", "output": "Hurray!"}]
    team.export("new.jsonl", rows)
    assert team.run_nightly()["nights"] == ["2026-03-05"]
    assert before.items() <= team.read_reports().items()
