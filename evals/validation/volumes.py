"""A night's sources beside those of recent nights: how many rows, and how many empty fields.

What counts as unusual is the catalog's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

ALL = "*"
RECENT = 14
"""How many nights back are looked at."""
MIN_NIGHTS = 3
"""With fewer nights than this nothing is usual yet."""
WATCHED_COLUMNS = (
    "model", "tokens_in", "tokens_out", "latency_ms", "cost_usd", "session_id", "user_id",
    "prompt_version", "finish_reason",
)  # fmt: skip
Source = dict[str, Any]


def measure_volumes(rows: pandas.DataFrame) -> dict[str, Source]:
    """Rows and shares of nulls of each source of an application's night, and of all together."""
    found: dict[str, Source] = {ALL: {"rows": len(rows)}}
    for name, own in rows.groupby("source_format"):
        nulls = own[list(WATCHED_COLUMNS)].isna().mean().round(6)
        found[str(name)] = {"rows": len(own), "nulls": nulls.to_dict()}
    return found


def compare_volumes(
    own: Mapping[str, Source], recent: Sequence[Mapping[str, Source]]
) -> list[Source]:
    """One line a source, as `specs.validation.SOURCE_COLUMNS`; null where nothing is usual yet."""
    lines = []
    for name, source in sorted(own.items()):
        past = [night[name] for night in recent if name in night]
        known = len(past) >= MIN_NIGHTS
        rises = {
            field: share - median(night["nulls"].get(field, 1.0) for night in past)
            for field, share in source.get("nulls", {}).items()
            if known
        }
        worst = max(sorted(rises), key=lambda field: rises[field], default=None)
        usual = median(night["rows"] for night in past) if known else 0
        ratio = source["rows"] / usual if usual and name == ALL else None
        line = {"source": name, "rows": source["rows"], "volume_ratio": ratio}
        lines.append({**line, "nulls_rise": rises.get(worst or ""), "nulls_rise_in": worst})
    return lines
