"""Stage 7, review: the answers a person should read of each night.

`evals.labels.review_queue` chooses them; `andon labels` exports the queue and imports the labels.
"""

from typing import Any

import dagster as dg

from evals.labels import realign
from orchestration.runtime.metadata import nights_of, table
from orchestration.runtime.partitions import CODE, NIGHTS, RANGE
from orchestration.runtime.progress import each
from orchestration.settings import settings


@dg.asset(
    group_name="review",
    kinds={"python", "json"},
    code_version=CODE,
    owners=["team:quality"],
    partitions_def=NIGHTS,
    backfill_policy=RANGE,
    deps=["reports"],
)
def review_queue(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One row per trace × dimension that a person is asked to judge."""
    lake, catalog = settings().lake(), settings().catalog()
    rows = [
        {"night": night.isoformat(), "app": asked.app, "dimension": asked.dimension}
        for night in each("choosing what to read", nights_of(context))
        for asked in realign.night_queue(lake, catalog, night)
    ]
    return dg.MaterializeResult(metadata={"questions": len(rows), "asked": table(rows[-200:])})
