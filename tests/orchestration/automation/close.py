"""Says what the release gate's checks last said, and ticks the sensor of final nights, as JSON.

A process of its own, since definitions read their home; what must be true of it is beside.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import dagster as dg

from orchestration.definitions import defs
from orchestration.stages.report import GATE, REPORTS
from orchestration.stages.validate import TRACES

CHECKS = {
    "gate": dg.AssetCheckKey(REPORTS, GATE),
    "admitted": dg.AssetCheckKey(TRACES, "night_admitted"),
}


def latest(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Whether each check passed in the last run, and how bad it was if not."""
    storage = instance.event_log_storage
    found = storage.get_latest_asset_check_execution_by_key(list(CHECKS.values()))
    told = {}
    for name, key in CHECKS.items():
        event = found[key].event
        assert event is not None
        assert event.dagster_event is not None
        told[name] = evaluation(event.dagster_event.asset_check_evaluation_data)
    return told


def evaluation(said: Any) -> dict[str, Any]:
    """One check's outcome."""
    return {"passed": said.passed, "severity": said.severity.value}


def tick(instance: dg.DagsterInstance) -> dict[str, Any]:
    """One evaluation of the sensor."""
    repository = defs.get_repository_def()
    context = dg.build_sensor_context(instance, repository_def=repository)
    said = repository.get_sensor_def("nights_final").evaluate_tick(context)
    events = {event.check_name: evaluation(event) for event in said.asset_events}
    return {"why": said.skip_message, "events": events, "runs": len(said.run_requests or [])}


def main() -> None:
    """The checks, then two ticks."""
    with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        told = {"checks": latest(instance), "first": tick(instance), "second": tick(instance)}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
