"""What the assets share: nights as partitions, the backfill policy and the code version.

Which night a timestamp belongs to is decided in `evals.ingest`; here is only the calendar.
"""

import warnings
from importlib import metadata

import dagster as dg

from evals.specs import Catalog
from evals.storage.lake import Lake

# Beta or preview in this Dagster; Andon is built on them, and the tests show when they change.
for message, category in (
    ("Parameter `backfill_policy`", dg.BetaWarning),
    (r"Function `with_source_code_references`|Class `(LocalFile)?CodeReference", dg.BetaWarning),
    ("Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning),
):
    warnings.filterwarnings("ignore", message, category)

RANGE = dg.BackfillPolicy.single_run()
CODE = metadata.version("andon")
"""The code version of Andon's own assets; evaluators and dbt models have theirs."""


def build_calendar(catalog: Catalog, lake: Lake) -> dg.DailyPartitionsDefinition:
    """Builds the partitions from the first night in the catalog or the lake to today's."""
    first = min([catalog.since, *lake.list_nights("staged")[:1]])
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(),
        hour_offset=catalog.day_begins,
        end_offset=1,
        fmt="%Y-%m-%d",
    )
