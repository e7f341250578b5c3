"""The jobs, and the schedule that starts the nightly one.

Jobs select assets by stage; the work is in the stages.
"""

from datetime import UTC, timedelta

import dagster as dg

from evals import pipeline
from evals.runs import night_locks
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.run_tags import build_range_tags

EVALUATE = dg.AssetSelection.groups("evaluate")  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
NIGHTLY = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
    "nightly",
    selection=dg.AssetSelection.all(),
    description="All stages for a night, or for a range of nights in one run.",
)
RESCORE = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
    "rescore",
    selection=EVALUATE.downstream()
    | dg.AssetSelection.tag("stage", "slices")  # a new slice reaches the nights of a backfill
    | dg.AssetSelection.tag("stage", "report"),  # all marts: some join tables that no score feeds
    description="Slices, evaluation and later stages, for nights that `andon backfill` moves.",
    tags={"dagster/priority": "-1"},
)


def build_schedule(deployment: Deployment) -> dg.ScheduleDefinition:
    """Builds the schedule that starts the nightly job every morning."""
    settings = deployment.settings

    @dg.schedule(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
        name="every_night",
        job=NIGHTLY,
        cron_schedule="0 5 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning: last night's traces, and older nights that have something new.",
    )
    def every_night(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        """Requests the last night that has ended, and the nights before it that are due."""
        now = context.scheduled_execution_time.astimezone(UTC)
        lake, catalog = settings.open_lake(), settings.load_catalog()
        last = (now - timedelta(hours=catalog.day_begins)).date() - timedelta(days=1)
        older = [
            night for night in night_locks.list_begun_nights(lake, catalog, now) if night < last
        ]
        pipeline.mend_home(lake, catalog)
        due = pipeline.find_due_nights(lake, catalog, older)
        key = now.date().isoformat()
        return [
            dg.RunRequest(run_key=f"{begin}-{end}-{key}", tags=build_range_tags(begin, end))
            for begin, end in pipeline.group_runs(lake, catalog, [*due, last])
        ]

    return every_night
