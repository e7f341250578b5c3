"""What the assets share: nights, and tables for the Dagster UI.

Where things are is `settings`, dbt is `modelling`; nothing here knows a stage.
"""

import json
import os
from datetime import date
from typing import Any

import dagster as dg

from evals.readable import readable

BOARD_URL = os.environ.get("ANDON_BOARD_URL", "http://127.0.0.1:3001")


def nights_of(context: Any) -> list[date]:
    """The nights a run is about, oldest first."""
    return [date.fromisoformat(key) for key in sorted(context.partition_keys)]


def plain(value: Any) -> Any:
    """A value as Dagster metadata takes it: JSON, and no numpy."""
    return json.loads(json.dumps(value, default=str))


def table(rows: list[dict[str, Any]]) -> Any:
    """Rows as a Dagster table; a sentence where there are none."""
    if not rows:
        return dg.MetadataValue.md("nothing")
    records = [dg.TableRecord({key: cell(value) for key, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records)


def cell(value: Any) -> Any:
    """A value a Dagster table shows; the browser reorders no text of others."""
    if isinstance(value, int | float | bool):
        return value
    return readable(str(value or ""))


BARS = "▁▂▃▄▅▆▇█"


def spark(values: list[float | None]) -> str:
    """Shares between 0 and 1 as a line of small bars; a gap where there is none."""
    return "".join(" " if v is None else BARS[min(7, int(v * 8))] for v in values)
