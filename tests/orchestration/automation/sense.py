"""Evaluates the inbox sensor as its files come and go, and prints what it said, as JSON.

A process of its own, since definitions read their home; what must be true of it is beside.
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
from orchestration.settings import settings

REPOSITORY = defs.get_repository_def()
ROW = {"ts": "2026-10-01T09:00:00Z", "app": "chat", "input": "Hi?", "output": "Hello."}


def tick(instance: dg.DagsterInstance, cursor: str | None) -> dict[str, Any]:
    """One evaluation."""
    context = dg.build_sensor_context(instance, cursor=cursor, repository_def=REPOSITORY)
    said = REPOSITORY.get_sensor_def("inbox").evaluate_tick(context)
    requests = [
        {"job": one.job_name, "key": one.run_key, "tags": one.tags}
        for one in said.run_requests or []
    ]
    return {"requests": requests, "why": said.skip_message, "cursor": said.cursor}


def keys(due: list[inbox_sensor.Due], hour: str) -> list[str | None]:
    """The run keys for a file unread and for nights that are due, as the hour has them."""
    unread = inbox_sensor.Found("a.jsonl", "1 1", settled=True, read=False)
    said = [inbox_sensor.asked_for(None, found, due, hour) for found in ([unread], [])]
    return [one.run_key for asked in said for one in asked.run_requests or []]


def export(name: str, number: int, *, settled: bool = True) -> None:
    """An export in the inbox, written a minute ago or just now."""
    path = Path(os.environ["ANDON_INBOX"]) / name
    rows = [{**ROW, "trace_id": f"t-{number}", "ts": f"2026-10-0{number}T09:00:00Z"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if settled:
        stat = path.stat()
        os.utime(path, (stat.st_mtime - 60, stat.st_mtime - 60))


def main() -> None:
    """Nothing, a file being written, two files, the same again, read, an hour, run, nothing."""
    lake = settings().lake()
    said: dict[str, Any] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        said["empty"] = tick(instance, None)
        export("a.jsonl", 1, settled=False)
        said["being written"] = tick(instance, None)
        export("a.jsonl", 1)
        export("b.jsonl", 2)
        said["new"] = tick(instance, None)
        cursor = said["new"]["cursor"]
        said["asked already"] = tick(instance, cursor)
        read = defs.resolve_job_def("read_inbox").execute_in_process(instance=instance)
        assert read.success
        said["read"] = tick(instance, cursor)
        due = inbox_sensor.due(lake, settings().catalog(), datetime.now(UTC))
        said["by hour"] = [keys(due, "2026-10-03T12"), keys(due, "2026-10-03T13")]
        for night in lake.nights("staged"):
            night_state.update_state(
                lake, night, seen=night_locks.digest_inputs(lake, settings().catalog(), night)
            )
        said["run"] = tick(instance, cursor)
        instance.create_run_for_job(
            defs.resolve_job_def("read_inbox"), status=dg.DagsterRunStatus.STARTED
        )
        export("c.jsonl", 3)
        said["under way"] = tick(instance, cursor)
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
