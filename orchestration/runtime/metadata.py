"""Metadata that assets show in Dagster: numbers, tables and links of each night's partition.

`evals.reports` renders a night's page; nothing here depends on a stage.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, TypeAlias

import dagster as dg

from evals.readable import make_readable
from evals.records import Json

Shown: TypeAlias = (
    dg.UrlMetadataValue
    | dg.PathMetadataValue
    | dg.MarkdownMetadataValue
    | dg.TableMetadataValue
    | dict[str, Json]
    | list[Json]
    | str
    | float
    | None
)
"""A value that Dagster shows."""
Metadata: TypeAlias = Mapping[str, Shown]
Row: TypeAlias = Mapping[str, object]
"""One row of a table, by column."""
Materialized: TypeAlias = dg.MaterializeResult[object]
CheckEvent: TypeAlias = dg.AssetCheckEvaluation | dg.AssetCheckResult


def list_run_nights(context: dg.AssetExecutionContext) -> list[date]:
    """Returns the nights of a run, oldest first."""
    return [date.fromisoformat(key) for key in sorted(context.partition_keys)]


class CheckOutcome(NamedTuple):
    """The outcome of a check for one night."""

    passed: bool
    severity: dg.AssetCheckSeverity
    metadata: Metadata


def show_nights(
    context: dg.AssetExecutionContext,
    nights: Mapping[date, Metadata],
    key: dg.AssetKey | None = None,
) -> None:
    """Gives each night's partition its own metadata, also in a run over many nights."""
    for night, metadata in nights.items():
        context.add_asset_metadata(metadata, asset_key=key, partition_key=night.isoformat())


def check_nights(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    check: str,
    nights: Mapping[date, CheckOutcome],
    *,
    newest: bool = False,
) -> Iterator[CheckEvent]:
    """Yields a check's outcome for each night's partition, then that of the whole run.

    That is the worst one, or with `newest` the last night's: only it can block what is downstream.
    """
    if not context.has_partition_key:
        for night, outcome in nights.items():
            yield dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=check,
                passed=outcome.passed,
                severity=outcome.severity,
                metadata=outcome.metadata,
                partition=night.isoformat(),
            )
    worst = nights[max(nights)] if newest else max(nights.values(), key=rank_outcome)
    failed = [night.isoformat() for night, outcome in nights.items() if not outcome.passed]
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=check,
        passed=worst.passed,
        severity=worst.severity,
        metadata={**worst.metadata, "nights_that_failed": ", ".join(failed) or "none"},
    )


def rank_outcome(outcome: CheckOutcome) -> tuple[bool, bool]:
    """Orders outcomes from good to bad."""
    return not outcome.passed, outcome.severity == dg.AssetCheckSeverity.ERROR


def to_json(value: object) -> list[Json]:
    """Converts a list to plain JSON values for Dagster metadata, without those of numpy."""
    return json.loads(json.dumps(value, default=str))


def show_table(rows: Sequence[Row]) -> dg.TableMetadataValue | dg.MarkdownMetadataValue:
    """Returns rows as a Dagster table; the word "nothing" without rows."""
    if not rows:
        return dg.MetadataValue.md("nothing")
    return dg.MetadataValue.table(
        [dg.TableRecord({key: show_cell(value) for key, value in row.items()}) for row in rows]
    )


def show_cell(value: object) -> str | float:
    """Returns a value for a cell of a table; control and bidirectional characters are escaped."""
    if isinstance(value, int | float | bool):
        return value
    return make_readable(str(value or ""))
