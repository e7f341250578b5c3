"""Promises of the digest's sensors, evaluated in Dagster with a home and a webhook."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from evals.storage.lake import Lake
from tests.evals.digests.home import add_report, make_catalog
from tests.evals.digests.receivers import serve_http
from tests.evals.reports.report_bodies import night
from tests.orchestration.test_definitions import FOREIGN, ROOT, clean_environment


def test_the_sensors_send_once_and_start_no_run(tmp_path: Path) -> None:
    """Two ticks send one message between them, and a run that succeeded one heartbeat."""
    with serve_http() as web:
        targets = {"a": f"json://{web.url}/a", "b": f"json://{web.url}/b"}
        beat = {"url": f"http://{web.url}/beat"}
        make_catalog(
            tmp_path / "c", targets, apps={"shop": {"cadence": "irregular"}}, heartbeat=beat
        )
        web.statuses["/b"] = [500]
        lake = Lake(tmp_path / "home").open()
        add_report(lake, night(datetime.now(UTC).date().isoformat()))
        environment = clean_environment(lake.home) | {"ANDON_CATALOG": str(tmp_path / "c")}
        program = str(Path(__file__).with_name("sense_digests.py"))
        command = [sys.executable, "-W", "error", "-W", FOREIGN, program]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stderr
        first, second, heart = json.loads(done.stdout)
        assert first.startswith("1 message sent; digest target b: HTTP 500 (shop, ")
        assert second == "0 messages sent"
        assert heart == "requested"
        assert [path for _, path, _ in web.requests] == ["/a", "/b", "/beat"]
        assert web.url not in done.stdout + done.stderr
