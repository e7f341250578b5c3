"""Compares a night's sources with recent nights: their rows and their shares of nulls.

What counts as unusual is defined in the catalog.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, TypedDict

from evals.storage.documents.accounts import SourceVolume

if TYPE_CHECKING:
    import pandas

ALL = "*"
"""The name under which all sources are counted together."""
RECENT = 14
"""How many earlier nights are compared."""
MIN_NIGHTS = 3
"""With fewer nights there is no comparison."""
WATCHED_COLUMNS = (
    "model", "tokens_in", "tokens_out", "latency_ms", "cost_usd", "session_id", "user_id",
    "prompt_version", "finish_reason",
)  # fmt: skip


class SourceComparison(TypedDict):
    """A source beside recent nights, as `specs.validation.SOURCE_COLUMNS`."""

    source: str
    rows: int
    volume_ratio: float | None
    """Rows by their recent median; null for a single source or without enough nights."""
    nulls_rise: float | None
    """The largest rise of a column's share of nulls over its recent median."""
    nulls_rise_in: str | None


def measure_volumes(rows: pandas.DataFrame) -> dict[str, SourceVolume]:
    """Measures the rows and shares of nulls of each source, and the rows of all together."""
    volumes: dict[str, SourceVolume] = {ALL: {"rows": len(rows)}}
    for source, own in rows.groupby("source_format"):
        shares = own[list(WATCHED_COLUMNS)].isna().mean().round(6)
        nulls: dict[str, float] = {str(name): share for name, share in shares.to_dict().items()}
        volumes[str(source)] = {"rows": len(own), "nulls": nulls}
    return volumes


def compare_volumes(
    own: Mapping[str, SourceVolume], recent: Sequence[Mapping[str, SourceVolume]]
) -> list[SourceComparison]:
    """Compares each source with recent nights."""
    comparisons: list[SourceComparison] = []
    for name, source in sorted(own.items()):
        past = [night[name] for night in recent if name in night]
        is_comparable = len(past) >= MIN_NIGHTS
        rises = {
            field: share - median(night.get("nulls", {}).get(field, 1.0) for night in past)
            for field, share in source.get("nulls", {}).items()
            if is_comparable
        }
        worst = max(sorted(rises), key=lambda field: rises[field], default=None)
        usual = median(night["rows"] for night in past) if is_comparable else 0
        ratio = source["rows"] / usual if usual and name == ALL else None
        comparisons.append(
            {
                "source": name,
                "rows": source["rows"],
                "volume_ratio": ratio,
                "nulls_rise": rises.get(worst or ""),
                "nulls_rise_in": worst,
            }
        )
    return comparisons
