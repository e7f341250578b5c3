"""The code location: eight stages in the order of the line.

Composition only; each stage is a module of its own.
"""

import dagster as dg

from orchestration.automation import batch_sensor, final_nights_sensor, inbox_sensor, jobs
from orchestration.runtime import executor
from orchestration.stages import evaluate, guard, ingest, realign, report, review, slices, validate

STAGES = (ingest, validate, slices, evaluate, guard, report, review, realign)

defs = dg.Definitions(
    assets=[*dg.load_assets_from_modules(STAGES), batch_sensor.batches],
    jobs=[jobs.NIGHTLY, jobs.BACKFILL, inbox_sensor.READ],
    schedules=[jobs.every_night],
    sensors=[inbox_sensor.inbox, batch_sensor.batches_back, final_nights_sensor.nights_final],
    executor=executor.in_use_executor,
)
