"""Dagster's code location: the eight stages, in order.

Each stage is a module of its own.
"""

import dagster as dg

from orchestration.automation import (
    batch_sensor,
    digest_sensor,
    final_nights_sensor,
    inbox_sensor,
    jobs,
    labels_sensor,
)
from orchestration.runtime import executor
from orchestration.runtime.deployment import load_deployment
from orchestration.settings import Settings, read_settings
from orchestration.stages import evaluate, guard, ingest, realign, report, review, slices, validate

STAGES = (ingest, validate, slices, evaluate, guard, report, review, realign)


def build_definitions(settings: Settings) -> dg.Definitions:
    """Builds everything Dagster runs for a team's catalog and home."""
    deployment = load_deployment(settings)
    assets = [asset for stage in STAGES for asset in stage.build_assets(deployment)]
    assets.append(batch_sensor.build_asset(deployment))
    return dg.Definitions(
        assets=dg.with_source_code_references(assets),
        jobs=[jobs.NIGHTLY, jobs.RESCORE, inbox_sensor.READ, labels_sensor.ADD],
        schedules=[jobs.build_schedule(deployment)],
        sensors=[
            inbox_sensor.build_sensor(deployment),
            labels_sensor.build_sensor(deployment),
            batch_sensor.build_sensor(deployment),
            final_nights_sensor.build_sensor(deployment),
            digest_sensor.build_sensor(deployment),
            digest_sensor.build_heartbeat(deployment),
        ],
        executor=executor.in_use_executor,
    )


defs = build_definitions(read_settings())
