"""Stage 3, slices: dbt models who is in which slice.

The SQL is in `dbt_project/models/marts/slices`; the slices themselves are the catalog's.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from evals import pipeline
from evals.storage import marts
from orchestration.runtime.dbt_models import Translator, dbt_build, manifest
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.metadata import nights_of
from orchestration.runtime.partitions import RANGE
from orchestration.runtime.progress import Progress

GROUP = "slices"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    here = deployment.settings

    @dbt_assets(
        manifest=manifest(),
        selector="slices",
        name="slice_models",
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        dagster_dbt_translator=Translator(GROUP),
    )
    def slice_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """One row per trace × slice it belongs to, and one per slice."""
        lake, nights = here.lake(), nights_of(context)
        Progress.say("modelling slices with dbt", 0, len(nights))
        path = pipeline.fill_warehouse(lake, here.catalog(), context.run.run_id, nights)
        yield from dbt_build(context, path)
        marts.publish(lake, context.run.run_id, nights, marts.SLICE_MARTS)

    return [slice_models]
