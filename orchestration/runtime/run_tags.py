"""The tags of a run: its nights, and whether the intake was done before it began.

Dagster's own tags are named as Dagster names them. Imports nothing heavy.
"""

from collections.abc import Mapping
from datetime import date

INTAKE = "andon/intake"
DONE = "done"


def build_range_tags(first: date, last: date) -> dict[str, str]:
    """Returns the tags of a run over a range of nights, the last included."""
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }


def is_intake_done(tags: Mapping[str, str]) -> bool:
    """Whether exports and labels were imported just before the run, by what started it."""
    return tags.get(INTAKE) == DONE
