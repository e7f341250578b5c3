"""What starts the line: the nightly job and its schedule.

Jobs select assets by stage; nothing here does work.
"""

import dagster as dg
from orchestration.report import quality_models

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
SCHEDULE = dg.build_schedule_from_partitioned_job(
    NIGHTLY,
    name="every_night",
    hour_of_day=5,
    minute_of_hour=0,
    description="Last night's traces, every morning.",
)
