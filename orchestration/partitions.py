"""The one partitioning of the line: nights.

How a timestamp falls into a night is the intake's to say; here is only the calendar.
"""

import dagster as dg

from orchestration.settings import settings


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
