"""What the assets show in Dagster: per night, as numbers and tables, with links to pages.

How a night's page is made is in `evals.reports`; nothing here knows a stage.
"""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

import dagster as dg

from evals.readable import make_readable
from evals.storage.documents.board_address import read_address
from evals.storage.lake import Lake

DEFAULT_URL = "http://127.0.0.1:3001"


def board_url(lake: Lake) -> str:
    """Where pages are served: as the environment has it, or where `andon ui` last served them."""
    return os.environ.get("ANDON_BOARD_URL") or read_address(lake) or DEFAULT_URL


def nights_of(context: Any) -> list[date]:
    """The nights a run is about, oldest first."""
    return [date.fromisoformat(key) for key in sorted(context.partition_keys)]


class Checked(NamedTuple):
    """What a check found in a night."""

    passed: bool
    severity: dg.AssetCheckSeverity
    metadata: Mapping[str, Any]


def show_nights(
    context: Any, nights: Mapping[date, Mapping[str, Any]], key: dg.AssetKey | None = None
) -> None:
    """Gives each night's partition metadata of its own, also in a run over many nights."""
    for night, metadata in nights.items():
        context.add_asset_metadata(metadata, asset_key=key, partition_key=night.isoformat())


def check_nights(
    context: Any, key: dg.AssetKey, check: str, nights: Mapping[date, Checked]
) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
    """A check's outcome for each night's partition, then the whole run's: its worst night's."""
    if not context.has_partition_key:
        for night, found in nights.items():
            yield dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=check,
                passed=found.passed,
                severity=found.severity,
                metadata=found.metadata,
                partition=night.isoformat(),
            )
    worst = max(nights.values(), key=badness)
    failed = [night.isoformat() for night, found in nights.items() if not found.passed]
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=check,
        passed=worst.passed,
        severity=worst.severity,
        metadata={**worst.metadata, "nights_that_failed": ", ".join(failed) or "none"},
    )


def badness(found: Checked) -> tuple[bool, bool]:
    """How bad an outcome is, to compare it with others."""
    return not found.passed, found.severity == dg.AssetCheckSeverity.ERROR


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
    return make_readable(str(value or ""))
