"""Evaluates the sensor of batches as they are sent and end, and prints its results, as JSON.

Runs in its own process, since definitions read their home; the tests beside check its output.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from evals.reports.assembly import count_awaited
from evals.runs import night_locks
from evals.storage import night_state
from tests.evals.calls.batch_night import NIGHT, BatchTeam, write_batch_catalog
from tests.evals.models.batch_server import serve_batches

AFTER, SAME = NIGHT + timedelta(days=1), NIGHT + timedelta(days=2)
"""A night with one answer of its own, and one with the first night's answers only."""


def evaluate_sensor(instance: dg.DagsterInstance) -> dict[str, Any]:
    """One evaluation."""
    from orchestration.definitions import defs

    repository = defs.get_repository_def()
    context = dg.build_sensor_context(instance, repository_def=repository)
    sensor = repository.get_sensor_def("batches_back")
    result = sensor.evaluate_tick(context)
    requests = [
        {"job": run.job_name or sensor.job_name, "key": run.run_key, "night": run.partition_key}
        for run in result.run_requests or []
    ]
    return {"requests": requests, "why": result.skip_message}


def main() -> None:
    """Evaluates the sensor at each moment: no batch, two sent, one ended, read, the other ended."""
    folder = Path(os.environ["ANDON_HOME"]).parent
    moments: dict[str, Any] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        with serve_batches() as server:
            write_batch_catalog(folder / "catalog", server.url)
            moments["none"] = evaluate_sensor(instance)
            team = BatchTeam(folder)
            own = {NIGHT: ["good", "bad"], AFTER: ["good", "of its own"], SAME: ["bad"]}
            for night, outputs in own.items():
                team.write_night(*outputs, night=night)
                night_locks.move_lock(team.lake, team.catalog, night, "chat")
                team.score(night=night)
                night_state.update_state(
                    team.lake, night, **count_awaited(team.lake, night)._asdict()
                )
            moments["out"] = evaluate_sensor(instance)
            server.state.finish(only="batch_1")
            moments["back"] = evaluate_sensor(instance)
            moments["looked again"] = evaluate_sensor(instance)
            taken = team.collect()
            moments["taken in"] = {
                **evaluate_sensor(instance),
                "taken": [one.night for one in taken],
            }
            server.state.finish("expired", upto=1)
            moments["other back"] = evaluate_sensor(instance)
        moments["gone"] = evaluate_sensor(instance)
    json.dump(moments, sys.stdout)


if __name__ == "__main__":
    main()
