"""Stage 3, slices: dbt finds the slices that each trace belongs to.

The SQL is in `dbt_project/models/marts/slices`; the slices themselves are the catalog's.
"""

from collections.abc import Iterator

import dagster as dg
from dagster_dbt import dbt_assets

from evals import pipeline
from evals.storage import marts
from orchestration.runtime.dbt_models import DbtEvent, Translator, build_models, load_manifest
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.metadata import list_run_nights
from orchestration.runtime.partitions import RANGE
from orchestration.runtime.progress import Progress

GROUP = "slices"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    settings = deployment.settings

    @dbt_assets(
        manifest=load_manifest(),
        selector="slices",
        name="slice_models",
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        dagster_dbt_translator=Translator(GROUP),
    )
    def slice_models(context: dg.AssetExecutionContext) -> Iterator[DbtEvent]:
        """One row per trace × slice it belongs to, and one per slice."""
        lake, nights = settings.open_lake(), list_run_nights(context)
        Progress.report("building slices with dbt", 0, len(nights))
        path = pipeline.fill_warehouse(lake, settings.load_catalog(), context.run.run_id, nights)
        yield from build_models(context, path)
        marts.publish_marts(lake, context.run.run_id, nights, marts.SLICE_MARTS)

    return [slice_models]
