"""Prints what Dagster is given, as JSON: a process of its own, since definitions read their home.

What must be true of it is in the tests beside.
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


def asset(key: dg.AssetKey) -> dict[str, Any]:
    """An asset as a person meets it in the UI."""
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


def prose(key: dg.AssetKey) -> dict[str, Any]:
    """What changes with a catalog or a model and is only asked to be there."""
    node = GRAPH.get(key)
    return {"description": node.description or "", "code_version": node.code_version}


def tick(moment: datetime) -> list[list[str]]:
    """The ranges of nights that the schedule asks for at a moment."""
    repository = defs.get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=moment, repository_def=repository
        )
        told = repository.get_schedule_def("every_night").evaluate_tick(context)
    return [
        [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
        for request in told.run_requests or []
    ]


def described() -> dict[str, Any]:
    """Assets, jobs, schedules, and what the schedule asks for one morning."""
    repository = defs.get_repository_def()
    keys = sorted(GRAPH.materializable_asset_keys, key=lambda key: key.to_user_string())
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    return {
        "assets": {key.to_user_string(): asset(key) for key in keys},
        "prose": {key.to_user_string(): prose(key) for key in keys},
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
            one.name: [one.cron_schedule, one.default_status.value, one.description]
            for one in repository.schedule_defs
        },
        "tick": [] if BROKEN else tick(datetime(2026, 10, 15, 5, tzinfo=UTC)),
    }


json.dump(described(), sys.stdout)
