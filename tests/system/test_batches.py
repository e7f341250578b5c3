"""A night by batch from the command line: awaited, taken back, and reported anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evals.models.batch_server import serve_batches
from tests.system.helpdesk import NIGHTS, build_night, create_team
from tests.system.judges import Judge
from tests.system.teams import Team, find_row


def by_batch(team: Team, url: str) -> None:
    """Has one judge go by batch at a server of its own, and leaves the rest without calls."""
    pin = team.read("models.yaml")["judge"]
    pin |= {"base_url": url, "batch": {}, "model": "judge-2026-01-01"}
    team.edit("models.yaml", judge=pin)
    team.edit("judges/polite.yaml", via="batch")
    suite = team.read("suites/helpdesk.yaml")
    dimensions = [d for d in suite["dimensions"] if d["dimension"] != "use"]
    team.edit("suites/helpdesk.yaml", dimensions=dimensions)
    (team.catalog / "judges/helpful.yaml").unlink()


@pytest.mark.slow
def test_a_night_by_batch_is_open_until_its_answers_are_back(tmp_path: Path) -> None:
    """The first report counts what is awaited; a quiet look changes nothing; then a new version."""
    with serve_batches() as server:
        team = create_team(tmp_path, Judge("http://127.0.0.1:1"))
        by_batch(team, server.url)
        team.export("one.jsonl", build_night(NIGHTS[0]))
        team.run_nightly()
        before = team.report(NIGHTS[0], "helpdesk")
        row = find_row(before, "polite")
        assert (row["pending"], row["n"], row["verdict"]) == (5, 0, "not measured")
        assert row["reason"] == "5 answers awaited from a batch"
        (out,) = team.run_json("batches", "list")
        assert (out["state"], out["requests"], out["usd"]) == ("submitted", 5, 0.0)
        assert team.run_nightly()["nights"] == [], "nothing came back: nothing to do"
        server.state.finish()
        assert team.run_nightly()["nights"] == [NIGHTS[0].isoformat()]
        after = team.report(NIGHTS[0], "helpdesk")
        row = find_row(after, "polite")
        assert (row["pending"], row["passed"] + row["failed"]) == (0, 5)
        assert after["version"] != before["version"]
        (back,) = team.run_json("batches", "list")
        assert back["state"] == "collected"
        assert after["cost"]["usd"] == pytest.approx(back["usd"], abs=1e-6)
        assert server.state.live == 0
        assert set(server.state.count_submissions().values()) == {1}
