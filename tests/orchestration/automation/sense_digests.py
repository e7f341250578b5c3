"""Evaluates the digest's sensors, in a process of its own; prints the result of each."""

from __future__ import annotations

import json
import sys
from typing import Any

import dagster as dg

from orchestration.definitions import defs

REPOSITORY = defs.get_repository_def()


@dg.op
def succeed() -> None:
    """Does nothing."""


@dg.job
def nightly() -> None:
    """A run that succeeds."""
    succeed()


def skip_reason(answer: Any) -> str:
    """The result of a sensor."""
    return str(answer.skip_message)


if __name__ == "__main__":
    with dg.DagsterInstance.ephemeral() as instance:
        sensor = REPOSITORY.get_sensor_def("digests")
        with dg.build_sensor_context(instance=instance) as context:
            reasons = [skip_reason(sensor(context)) for _ in range(2)]
        result = nightly.execute_in_process(instance=instance)
        event = result.get_run_success_event()
        status = dg.build_run_status_sensor_context(
            "heartbeat", event, instance, result.dagster_run
        )
        reasons.append(skip_reason(REPOSITORY.get_sensor_def("heartbeat")(status)))
    sys.stdout.write(json.dumps(reasons))
