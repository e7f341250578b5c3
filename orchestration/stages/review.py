"""Stage 7, review: chooses the answers of each night that a person should read.

`evals.labels.review_queue` chooses them; `andon labels` exports the queue and imports the labels.
"""

from datetime import date

import dagster as dg

from evals.labels import realign
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import Metadata, list_run_nights, show_nights, show_table
from orchestration.runtime.progress import iterate_nights

GROUP = "review"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "json"},
        owner=QUALITY,
        pii=True,
        nights=deployment.nights,
        deps=["reports"],
    )
    def review_queue(context: dg.AssetExecutionContext) -> None:
        """One row per trace × dimension that a person is asked to judge."""
        lake, catalog = settings.open_lake(), settings.load_catalog()
        shown: dict[date, Metadata] = {}
        for night in iterate_nights("choosing answers to review", list_run_nights(context)):
            questions = realign.build_night_queue(lake, catalog, night)
            rows = [{"app": row.app, "dimension": row.dimension} for row in questions]
            shown[night] = {"questions": len(rows), "asked": show_table(rows)}
        show_nights(context, shown)

    return [review_queue]
