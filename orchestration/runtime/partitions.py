"""What every asset of the line shares: how its nights become partitions, and its code version.

How a timestamp falls into a night is decided at ingest; here is only the calendar.
"""

import warnings
from importlib import metadata

import dagster as dg

from evals.specs import Catalog
from evals.storage.lake import Lake

# Beta or preview in this Dagster; the line is built on them, and the tests show when they change.
for words, category in (
    ("Parameter `backfill_policy`", dg.BetaWarning),
    (r"Function `with_source_code_references`|Class `(LocalFile)?CodeReference", dg.BetaWarning),
    ("Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning),
):
    warnings.filterwarnings("ignore", words, category)

RANGE = dg.BackfillPolicy.single_run()
CODE = metadata.version("andon")
"""The code version of assets made by Andon itself; evaluators and dbt models have their own."""


def build_calendar(catalog: Catalog, lake: Lake) -> dg.DailyPartitionsDefinition:
    """Nights from the first one the catalog or the lake knows, today's included."""
    first = min([catalog.since, *lake.nights("staged")[:1]])
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(),
        hour_offset=catalog.day_begins,
        end_offset=1,
        fmt="%Y-%m-%d",
    )
