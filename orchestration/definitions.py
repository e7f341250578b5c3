"""The code location: eight stages in the order of the line.

Composition only; each stage is a module of its own.
"""

import dagster as dg

from orchestration import (
    arrivals,
    batches,
    closing,
    evaluate,
    guard,
    holding,
    ingest,
    realign,
    report,
    review,
    slices,
    triggers,
    validate,
)

STAGES = (ingest, validate, slices, evaluate, guard, report, review, realign)

defs = dg.Definitions(
    assets=[*dg.load_assets_from_modules(STAGES), batches.batches],
    jobs=[triggers.NIGHTLY, triggers.BACKFILL, arrivals.READ],
    schedules=[triggers.every_night],
    sensors=[arrivals.inbox, batches.batches_back, closing.nights_final],
    executor=holding.in_use_executor,
)
