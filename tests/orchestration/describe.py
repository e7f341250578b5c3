"""Prints Dagster's definitions as JSON.

Runs in its own process, since definitions read their home; the tests beside check its output.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.definitions import defs

GRAPH = defs.resolve_asset_graph()
BROKEN = {
    node.key.to_user_string(): node.description
    for node in GRAPH.asset_nodes
    if "broken" in node.tags
}


def describe_asset(key: dg.AssetKey) -> dict[str, Any]:
    """An asset as the UI shows it."""
    node = GRAPH.get(key)
    return {
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "tags": sorted(key for key in node.tags if not key.startswith("dagster/")),
        "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
        "partitions": str(node.partitions_def) if node.partitions_def else None,
        "checks": sorted(check.name for check in node.check_keys),
    }


def describe_prose(key: dg.AssetKey) -> dict[str, Any]:
    """What changes with a catalog or a model, and only has to exist."""
    node = GRAPH.get(key)
    return {"description": node.description or "", "code_version": node.code_version}


def evaluate_schedule(moment: datetime) -> list[list[str]]:
    """The ranges of nights that the schedule requests at a moment."""
    repository = defs.get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=moment, repository_def=repository
        )
        result = repository.get_schedule_def("every_night").evaluate_tick(context)
    return [
        [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
        for request in result.run_requests or []
    ]


def describe_definitions() -> dict[str, Any]:
    """Assets, jobs, schedules, and the schedule's requests of one morning."""
    repository = defs.get_repository_def()
    keys = sorted(GRAPH.materializable_asset_keys, key=lambda key: key.to_user_string())
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    return {
        "assets": {key.to_user_string(): describe_asset(key) for key in keys},
        "prose": {key.to_user_string(): describe_prose(key) for key in keys},
        "jobs": {
            name: {
                "assets": len(job.asset_layer.executable_asset_keys),
                "executor": job.executor_def.name,
                "partitions": str(job.partitions_def),
            }
            for name, job in sorted(jobs.items())
        },
        "broken": BROKEN,
        "schedules": {
            schedule.name: [
                schedule.cron_schedule,
                schedule.default_status.value,
                schedule.description,
            ]
            for schedule in repository.schedule_defs
        },
        "tick": [] if BROKEN else evaluate_schedule(datetime(2026, 10, 15, 5, tzinfo=UTC)),
    }


json.dump(describe_definitions(), sys.stdout)
