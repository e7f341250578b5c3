"""Evaluates the inbox sensor as its files come and go, and prints its results, as JSON.

Runs in its own process, since definitions read their home; the tests beside check its output.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from evals.runs import night_locks
from evals.storage import night_state
from orchestration.automation import inbox_sensor
from orchestration.definitions import defs
from orchestration.settings import read_settings

REPOSITORY = defs.get_repository_def()
ROW = {"ts": "2026-10-01T09:00:00Z", "app": "chat", "input": "Hi?", "output": "Hello."}


def evaluate_sensor(instance: dg.DagsterInstance, cursor: str | None) -> dict[str, Any]:
    """One evaluation."""
    context = dg.build_sensor_context(instance, cursor=cursor, repository_def=REPOSITORY)
    result = REPOSITORY.get_sensor_def("inbox").evaluate_tick(context)
    requests = [
        {"job": request.job_name, "key": request.run_key, "tags": request.tags}
        for request in result.run_requests or []
    ]
    return {"requests": requests, "why": result.skip_message, "cursor": result.cursor}


def run_keys(due: list[inbox_sensor.DueRange], hour: str) -> list[str | None]:
    """The run keys for an unread file and for due nights, in an hour."""
    unread = inbox_sensor.InboxFile("a.jsonl", "1 1", is_complete=True, is_read=False)
    results = [inbox_sensor.request_runs(None, files, due, hour) for files in ([unread], [])]
    return [request.run_key for result in results for request in result.run_requests or []]


def write_export(name: str, number: int, *, is_old: bool = True) -> None:
    """Writes an export into the inbox, dated a minute ago or now."""
    path = Path(os.environ["ANDON_INBOX"]) / name
    rows = [{**ROW, "trace_id": f"t-{number}", "ts": f"2026-10-0{number}T09:00:00Z"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if is_old:
        stat = path.stat()
        os.utime(path, (stat.st_mtime - 60, stat.st_mtime - 60))


def main() -> None:
    """Evaluates the sensor at each moment, from an empty inbox to a run under way."""
    lake = read_settings().open_lake()
    moments: dict[str, Any] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        moments["empty"] = evaluate_sensor(instance, None)
        write_export("a.jsonl", 1, is_old=False)
        moments["being written"] = evaluate_sensor(instance, None)
        write_export("a.jsonl", 1)
        write_export("b.jsonl", 2)
        moments["new"] = evaluate_sensor(instance, None)
        cursor = moments["new"]["cursor"]
        moments["requested already"] = evaluate_sensor(instance, cursor)
        read = defs.resolve_job_def("read_inbox").execute_in_process(instance=instance)
        assert read.success
        moments["read"] = evaluate_sensor(instance, cursor)
        due = inbox_sensor.list_due_ranges(lake, read_settings().load_catalog(), datetime.now(UTC))
        moments["by hour"] = [run_keys(due, "2026-10-03T12"), run_keys(due, "2026-10-03T13")]
        for night in lake.list_nights("staged"):
            night_state.update_state(
                lake,
                night,
                seen=night_locks.digest_inputs(lake, read_settings().load_catalog(), night),
            )
        moments["run"] = evaluate_sensor(instance, cursor)
        instance.create_run_for_job(
            defs.resolve_job_def("read_inbox"), status=dg.DagsterRunStatus.STARTED
        )
        write_export("c.jsonl", 3)
        moments["under way"] = evaluate_sensor(instance, cursor)
    json.dump(moments, sys.stdout)


if __name__ == "__main__":
    main()
