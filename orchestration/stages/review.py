"""Stage 7, review: the answers a person should read of each night.

`evals.labels.review_queue` chooses them; `andon labels` exports the queue and imports the labels.
"""

from typing import Any

import dagster as dg

from evals.labels import realign
from orchestration.runtime.deployment import QUALITY, Deployment, tags_of
from orchestration.runtime.metadata import nights_of, show_nights, table
from orchestration.runtime.partitions import CODE, RANGE
from orchestration.runtime.progress import each

GROUP = "review"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"python", "json"},
        code_version=CODE,
        owners=[QUALITY],
        tags=tags_of(GROUP, pii=True),
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        deps=["reports"],
    )
    def review_queue(context: dg.AssetExecutionContext) -> None:
        """One row per trace × dimension that a person is asked to judge."""
        lake, catalog = here.lake(), here.catalog()
        shown: dict[Any, dict[str, Any]] = {}
        for night in each("choosing what to read", nights_of(context)):
            asked = realign.night_queue(lake, catalog, night)
            rows = [{"app": one.app, "dimension": one.dimension} for one in asked]
            shown[night] = {"questions": len(rows), "asked": table(rows)}
        show_nights(context, shown)

    return [review_queue]
