"""What every asset of the line shares: its partitions, the nights, and its code version.

How a timestamp falls into a night is the door's to say; here is only the calendar.
"""

import warnings
from importlib import metadata

import dagster as dg

from orchestration.settings import settings

# Beta in this Dagster; the line is built on it, and the tests show when it changes.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)


def calendar() -> dg.DailyPartitionsDefinition:
    """Nights from the first one the catalog or the lake knows, today's included."""
    catalog, lake = settings().catalog(), settings().lake()
    first = min([catalog.since, *lake.nights("staged")[:1]])
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(),
        hour_offset=catalog.day_begins,
        end_offset=1,
        fmt="%Y-%m-%d",
    )


NIGHTS = calendar()
RANGE = dg.BackfillPolicy.single_run()
CODE = metadata.version("andon")
"""The code version of assets made by Andon itself; evaluators and dbt models have their own."""
