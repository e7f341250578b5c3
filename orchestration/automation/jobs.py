"""What starts the line: the nightly job and its schedule.

Jobs select assets by stage; nothing here does work.
"""

from datetime import UTC, timedelta

import dagster as dg

from evals import pipeline
from evals.runs import night_locks
from evals.storage import night_state
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.run_tags import range_tags

NIGHTLY = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    description="The whole line for a night, or for a range of nights in one run.",
)
RESCORE = dg.define_asset_job(
    "rescore",
    selection=dg.AssetSelection.groups("evaluate").downstream()
    | dg.AssetSelection.tag("stage", "report"),  # whole: a mart also joins what no score feeds
    description="Evaluation and all after it, for nights that `andon backfill` has moved.",
    tags={"dagster/priority": "-1"},
)


def build_schedule(deployment: Deployment) -> dg.ScheduleDefinition:
    """The schedule that starts the line every morning."""
    here = deployment.settings

    @dg.schedule(
        name="every_night",
        job=NIGHTLY,
        cron_schedule="0 5 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning: last night's traces, and older nights that have something new.",
    )
    def every_night(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        """The night that has ended, never the one begun, and the nights before it that are due."""
        now = context.scheduled_execution_time.astimezone(UTC)
        lake, catalog = here.lake(), here.catalog()
        last = (now - timedelta(hours=catalog.day_begins)).date() - timedelta(days=1)
        older = [
            night for night in night_locks.list_begun_nights(lake, catalog, now) if night < last
        ]
        due = pipeline.find_due_nights(lake, catalog, older)
        key = now.date().isoformat()
        return [
            dg.RunRequest(run_key=f"{begin}-{end}-{key}", tags=range_tags(begin, end))
            for begin, end in night_state.consecutive([*due, last])
        ]

    return every_night
