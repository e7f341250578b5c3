"""A night by batch from the command line: awaited, taken back, and reported anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.evals.models.batch_server import serving
from tests.system.line import NIGHTS, Judge, Line, team, traces, whole


def by_batch(line: Line, url: str) -> None:
    """Has one judge go by batch at a server of its own, and leaves the rest without calls."""
    pin = yaml.safe_load((line.catalog / "models.yaml").read_text())["judge"]
    pin |= {"base_url": url, "batch": {}, "model": "judge-2026-01-01"}
    (line.catalog / "models.yaml").write_text(yaml.safe_dump({"judge": pin}))
    line.edit("judges/polite.yaml", via="batch")
    suite: dict[str, Any] = yaml.safe_load((line.catalog / "suites/helpdesk.yaml").read_text())
    dimensions = [d for d in suite["dimensions"] if d["dimension"] != "use"]
    line.edit("suites/helpdesk.yaml", dimensions=dimensions)
    (line.catalog / "judges/helpful.yaml").unlink()


@pytest.mark.slow
def test_a_night_by_batch_is_open_until_its_answers_are_back(tmp_path: Path) -> None:
    """The first report says what is awaited; a quiet look changes nothing; then a new version."""
    with serving() as server:
        line = team(tmp_path, Judge("http://127.0.0.1:1"))
        by_batch(line, server.url)
        line.export("one.jsonl", traces(NIGHTS[0]))
        (planned,) = [p for p in line.run("plan")["plan"] if p["evaluator"] == "polite"] or [{}]
        assert planned.get("via", "batch") == "batch"
        line.run("nightly")
        before = line.report(NIGHTS[0])
        row = whole(before, "polite")
        assert (row["pending"], row["n"], row["verdict"]) == (5, 0, "not measured")
        assert row["reason"] == "5 answers awaited from a batch"
        (out,) = line.run("batches", "list")
        assert (out["state"], out["requests"], out["usd"]) == ("submitted", 5, 0.0)
        assert line.run("nightly")["nights"] == [], "nothing came back: nothing to do"
        server.state.finish()
        assert line.run("nightly")["nights"] == [NIGHTS[0].isoformat()]
        after = line.report(NIGHTS[0])
        row = whole(after, "polite")
        assert (row["pending"], row["passed"] + row["failed"]) == (0, 5)
        assert after["version"] != before["version"]
        (back,) = line.run("batches", "list")
        assert back["state"] == "collected"
        assert after["cost"]["usd"] == pytest.approx(back["usd"], abs=1e-6)
        assert server.state.live == 0
        assert set(server.state.asked().values()) == {1}
