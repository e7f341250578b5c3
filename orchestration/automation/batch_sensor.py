"""Batches sent to providers: the asset that lists them, and the sensor that checks on them.

`evals.calls` makes batches and reads their answers.
"""

from datetime import UTC, datetime

import dagster as dg

from evals.calls.routing import check_batches, list_nights
from evals.models.batches import FINAL_STATES
from evals.records import digest
from evals.runs import night_locks
from evals.storage.documents.batch_jobs import BatchJob, describe_job, list_open_jobs, read_jobs
from orchestration.automation.jobs import NIGHTLY
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import Materialized, Row, show_table
from orchestration.stages.evaluate import GROUP, list_score_keys

SHOWN_BATCHES = 200
EVERY_S = 300


def describe_batch(job: BatchJob) -> Row:
    """Describes a batch as a row of a table."""
    counts = ", ".join(f"{n} {code}" for code, n in sorted(job.counts.items()))
    return {**describe_job(job), "counts": counts}


def build_asset(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset that lists batches."""
    settings = deployment.settings

    @declare_asset(GROUP, {"python"}, owner=QUALITY, paid=True, deps=list_score_keys(deployment))
    def batches(context: dg.AssetExecutionContext) -> Materialized:
        """One row per batch sent to a provider, with its state and cost."""
        jobs = list(read_jobs(settings.open_lake()))
        last = [describe_batch(job) for job in reversed(jobs[-SHOWN_BATCHES:])]
        return dg.MaterializeResult(
            metadata={
                "batches": len(jobs),
                "under_way": sum(job.is_open for job in jobs),
                "usd": round(sum(job.usd for job in jobs), 6),
                "last_batches": show_table(last),
            }
        )

    return batches


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """Builds the sensor that checks whether batches have ended."""
    settings = deployment.settings

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
        name="batches_back",
        job=NIGHTLY,
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def batches_back(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Asks providers about open batches, and runs the nights of those that have ended."""
        lake = settings.open_lake()
        if not list_open_jobs(lake):
            return dg.SkipReason("no batch is under way")
        jobs = check_batches(lake, settings.load_catalog(), datetime.now(UTC))
        ended = [job for job in jobs if not job.is_open or job.status in FINAL_STATES]
        if not ended:
            done, requests = sum(job.done for job in jobs), sum(job.requests for job in jobs)
            count = f"{len(jobs)} batches" if len(jobs) != 1 else "1 batch"
            return dg.SkipReason(f"{count} under way, {done} of {requests} requests done")
        tags = sorted(job.tag for job in ended)
        name, due = (
            digest(tags),
            {*list_nights(ended), *night_locks.list_awaiting_nights(lake, tags)},
        )
        return [
            dg.RunRequest(run_key=f"{name}-{night.isoformat()}", partition_key=night.isoformat())
            for night in sorted(due)
        ]

    return batches_back
