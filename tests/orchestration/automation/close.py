"""Prints the last outcome of the checks and two evaluations of the final nights' sensor, as JSON.

Runs in its own process, since definitions read their home; the tests beside check its output.
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


def read_checks(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Whether each check passed in the last run, and its severity."""
    storage = instance.event_log_storage
    records = storage.get_latest_asset_check_execution_by_key(list(CHECKS.values()))
    outcomes = {}
    for name, key in CHECKS.items():
        event = records[key].event
        assert event is not None
        assert event.dagster_event is not None
        outcomes[name] = describe_check(event.dagster_event.asset_check_evaluation_data)
    return outcomes


def describe_check(result: Any) -> dict[str, Any]:
    """One check's outcome."""
    return {"passed": result.passed, "severity": result.severity.value}


def evaluate_sensor(instance: dg.DagsterInstance) -> dict[str, Any]:
    """One evaluation of the sensor."""
    repository = defs.get_repository_def()
    context = dg.build_sensor_context(instance, repository_def=repository)
    result = repository.get_sensor_def("nights_final").evaluate_tick(context)
    events = {event.check_name: describe_check(event) for event in result.asset_events}
    return {"why": result.skip_message, "events": events, "runs": len(result.run_requests or [])}


def main() -> None:
    """The checks, then two ticks."""
    with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        outcomes = {
            "checks": read_checks(instance),
            "first": evaluate_sensor(instance),
            "second": evaluate_sensor(instance),
        }
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
