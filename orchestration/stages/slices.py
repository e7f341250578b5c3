"""Stage 3, slices: each trace's topic, then dbt finds the slices that it belongs to.

Topics are in `evals.topics`, the SQL in `dbt_project/models/marts/slices`; the slices themselves
are the catalog's.
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from dagster_dbt import dbt_assets

from evals import pipeline
from evals.storage import marts
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.dbt_models import DbtEvent, Translator, build_models, load_manifest
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import Metadata, list_run_nights, show_nights
from orchestration.runtime.partitions import RANGE
from orchestration.runtime.progress import Progress, iterate_nights

GROUP = "slices"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    return [build_requests(deployment), build_slice_models(deployment)]


def build_requests(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset of the nights' requests."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "parquet"},
        owner=QUALITY,
        apps=deployment.catalog.apps,
        nights=deployment.nights,
        deps=["traces"],
    )
    def requests(context: dg.AssetExecutionContext) -> None:
        """One row per trace: the topic of its request, and whether it was met."""
        lake = settings.open_lake()
        shown: dict[date, Metadata] = {}
        for night in iterate_nights("describing requests", list_run_nights(context)):
            counts = pipeline.describe_requests(lake, deployment.catalog, night)
            shown[night] = {**counts._asdict()}
        show_nights(context, shown)

    return requests


def build_slice_models(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the assets of the dbt models of slices."""
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

    return slice_models
