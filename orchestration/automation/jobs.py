"""What starts the line: the nightly job and its schedule.

Jobs select assets by stage; nothing here does work.
"""

from datetime import UTC, timedelta

import dagster as dg

from orchestration.settings import settings
from orchestration.stages.report import quality_models

NIGHTLY = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    description="The whole line for a night, or for a range of nights in one run.",
)
BACKFILL = dg.define_asset_job(
    "rescore",
    selection=dg.AssetSelection.groups("evaluate").downstream()
    | dg.AssetSelection.assets(quality_models),  # whole: a mart also joins what no score feeds
    description="Evaluation and all after it, for nights that `andon backfill` has moved.",
)


@dg.schedule(name="every_night", job=NIGHTLY, cron_schedule="0 5 * * *")
def every_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Last night's traces, every morning: the night that has ended, never the one begun."""
    now = context.scheduled_execution_time.astimezone(UTC)
    begun = (now - timedelta(hours=settings().catalog().day_begins)).date()
    night = (begun - timedelta(days=1)).isoformat()
    return dg.RunRequest(run_key=night, partition_key=night)
