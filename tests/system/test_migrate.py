"""A home of an earlier release, moved forward by the command line: nothing is paid or done anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evals.storage.migrations.old_home import unpack
from tests.system.line import Line


@pytest.mark.slow
def test_a_migrated_home_makes_no_call_and_has_nothing_to_do(tmp_path: Path) -> None:
    """Its judges are at an address where nobody listens; then a new night is reported."""
    unpack(1, tmp_path)
    line = Line(tmp_path)
    refused = line.start("plan")
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode == 4
    assert "run `andon migrate" in errors
    assert line.run("migrate", "--dry-run")["after"] == 1
    before = line.reports()
    assert line.run("migrate")["after"] > 1
    assert line.run("plan")["calls"] == 0
    done = line.run("nightly")
    assert (done["nights"], done["calls"], done["failures"]) == ([], 0, [])
    assert line.reports() == before
    rows = [{"trace_id": "new", "ts": "2026-03-05T09:00:00Z", "app": "cards", "output": "Hurray!"}]
    line.export("new.jsonl", rows)
    assert line.run("nightly")["nights"] == ["2026-03-05"]
    assert before.items() <= line.reports().items()
