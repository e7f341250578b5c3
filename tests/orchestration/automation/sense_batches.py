"""Evaluates the sensor of batches as they go out and come back, and prints what it said, as JSON.

A process of its own, since definitions read their home; what must be true of it is beside.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from evals.reports.assembly import awaited_answers
from evals.runs import night_locks
from evals.storage import night_state
from tests.evals.calls.batch_night import NIGHT, BatchLine, catalog_at
from tests.evals.models.batch_server import serving

AFTER, SAME = NIGHT + timedelta(days=1), NIGHT + timedelta(days=2)
"""A night with one question of its own, and one whose questions are all the first night's."""


def tick(instance: dg.DagsterInstance) -> dict[str, Any]:
    """One evaluation."""
    from orchestration.definitions import defs

    repository = defs.get_repository_def()
    context = dg.build_sensor_context(instance, repository_def=repository)
    sensor = repository.get_sensor_def("batches_back")
    said = sensor.evaluate_tick(context)
    requests = [
        {"job": one.job_name or sensor.job_name, "key": one.run_key, "night": one.partition_key}
        for one in said.run_requests or []
    ]
    return {"requests": requests, "why": said.skip_message}


def main() -> None:
    """None, two out, one back, looked at again, taken in, the other back, the provider gone."""
    folder = Path(os.environ["ANDON_HOME"]).parent
    said: dict[str, Any] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        with serving() as server:
            catalog_at(folder / "catalog", server.url)
            said["none"] = tick(instance)
            line = BatchLine(folder)
            own = {NIGHT: ["good", "bad"], AFTER: ["good", "of its own"], SAME: ["bad"]}
            for night, outputs in own.items():
                line.night(*outputs, night=night)
                night_locks.move_lock(line.lake, line.catalog, night, "chat")
                line.ask(night=night)
                night_state.update_state(line.lake, night, **awaited_answers(line.lake, night))
            said["out"] = tick(instance)
            server.state.finish(only="batch_1")
            said["back"] = tick(instance)
            said["looked again"] = tick(instance)
            taken = line.back()
            said["taken in"] = {**tick(instance), "taken": [one.night for one in taken]}
            server.state.finish("expired", upto=1)
            said["other back"] = tick(instance)
        said["gone"] = tick(instance)
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
