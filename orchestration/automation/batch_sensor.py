"""Batches handed in to providers: the asset that shows them, and the sensor that looks for them.

What a batch asks and how its answers are believed is `evals.calls`'s.
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from evals.calls.routing import check_batches, list_nights
from evals.models.batches import FINAL_STATES
from evals.records import digest
from evals.runs import night_locks
from evals.storage.documents.batch_jobs import BatchJob, describe_job, list_open_jobs, read_jobs
from orchestration.automation.jobs import NIGHTLY
from orchestration.runtime.deployment import QUALITY, Deployment, tags_of
from orchestration.runtime.metadata import table
from orchestration.runtime.partitions import CODE
from orchestration.stages.evaluate import GROUP, score_keys

SHOWN = 200
EVERY_S = 300


def line(ticket: BatchJob) -> dict[str, Any]:
    """A batch in one row of a table."""
    counts = ", ".join(f"{n} {code}" for code, n in sorted(ticket.counts.items()))
    return {**describe_job(ticket), "counts": counts}


def build_asset(deployment: Deployment) -> dg.AssetsDefinition:
    """The asset that shows batches."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"python"},
        owners=[QUALITY],
        tags=tags_of(GROUP, paid=True),
        code_version=CODE,
        deps=score_keys(deployment),
    )
    def batches(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """One row per batch handed in to a provider, and what came of it."""
        found = list(read_jobs(here.lake()))
        return dg.MaterializeResult(
            metadata={
                "batches": len(found),
                "under_way": sum(ticket.is_open for ticket in found),
                "usd": round(sum(ticket.usd for ticket in found), 6),
                "last_batches": table([line(ticket) for ticket in found[-SHOWN:]][::-1]),
            }
        )

    return batches


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """The sensor that looks for batches that came back."""
    here = deployment.settings

    @dg.sensor(
        name="batches_back",
        job=NIGHTLY,
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def batches_back(context: dg.SensorEvaluationContext) -> Any:
        """Asks providers after batches under way, and reports the nights of those that are over."""
        lake = here.lake()
        if not list_open_jobs(lake):
            return dg.SkipReason("no batch is under way")
        seen = check_batches(lake, here.catalog(), datetime.now(UTC))
        over = [ticket for ticket in seen if not ticket.is_open or ticket.status in FINAL_STATES]
        if not over:
            done, asked = (sum(getattr(t, key) for t in seen) for key in ("done", "requests"))
            count = f"{len(seen)} batches" if len(seen) != 1 else "1 batch"
            return dg.SkipReason(f"{count} under way, {done} of {asked} requests done")
        tags = sorted(ticket.tag for ticket in over)
        name, due = (
            digest(tags),
            {*list_nights(over), *night_locks.list_awaiting_nights(lake, tags)},
        )
        return [
            dg.RunRequest(run_key=f"{name}-{night.isoformat()}", partition_key=night.isoformat())
            for night in sorted(due)
        ]

    return batches_back
