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
from orchestration.runtime.metadata import nights_of
from orchestration.runtime.partitions import NIGHTS, RANGE
from orchestration.runtime.progress import Progress
from orchestration.settings import settings


@dbt_assets(
    manifest=manifest(),
    selector="slices",
    name="slice_models",
    partitions_def=NIGHTS,
    backfill_policy=RANGE,
    dagster_dbt_translator=Translator([]),
)
def slice_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """One row per trace × slice it belongs to, and one per slice."""
    lake, nights = settings().lake(), nights_of(context)
    Progress.say("modelling slices with dbt")
    path = pipeline.fill_warehouse(lake, settings().catalog(), context.run.run_id, nights)
    yield from dbt_build(context, path)
    marts.publish(lake, context.run.run_id, nights, marts.SLICE_MARTS)
