"""Stage 1, ingest: exports in the inbox become staged rows by night.

How a file is read is the importers'; redaction has happened before anything rests here.
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from evals import pipeline
from orchestration.runtime.metadata import nights_of, table
from orchestration.runtime.partitions import CODE, NIGHTS, RANGE
from orchestration.runtime.progress import Progress
from orchestration.runtime.run_tags import was_taken_in
from orchestration.settings import settings

GROUP = "ingest"
OWNERS = ["team:andon"]


@dg.asset(group_name=GROUP, kinds={"python", "parquet"}, code_version=CODE, owners=OWNERS)
def inbox_files(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One row per file seen in the inbox, with what was read from it."""
    here, lake, failures = settings(), settings().lake(), []
    if not was_taken_in(context.run.tags):
        now, intake = datetime.now(UTC), pipeline.Intake(here.inbox)
        failures = pipeline.pull_sources(lake, here.catalog(), now, Progress.say)
        pipeline.import_exports(lake, here.catalog(), intake, now, Progress.say)
    rows = sorted(lake.inbox_files().values(), key=lambda row: row.name)
    shown = [{**row._asdict(), "nights": len(row.nights)} for row in rows]
    return dg.MaterializeResult(
        metadata={
            "files": len(rows),
            "rows_read": sum(row.read for row in rows),
            "rows_refused": sum(row.refused for row in rows),
            "seen": table(shown[-100:]),
            "not_pulled": table([{"why": failure} for failure in failures]),
        }
    )


@dg.asset(
    group_name=GROUP,
    kinds={"python", "parquet"},
    code_version=CODE,
    owners=OWNERS,
    partitions_def=NIGHTS,
    backfill_policy=RANGE,
    deps=[inbox_files],
)
def staged_traces(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One row per row read from an export, redacted, before it is validated."""
    lake, nights = settings().lake(), nights_of(context)
    files = {night: lake.files("staged", [night]) for night in nights}
    counts = lake.rows("select app, count(*) as n from staged group by app", {"staged": nights})
    return dg.MaterializeResult(
        metadata={
            "nights": len(nights),
            "nights_without_traces": sum(not found for found in files.values()),
            "rows": sum(row["n"] for row in counts),
            "by_application": table(sorted(counts, key=lambda row: row["app"])),
        }
    )


@dg.asset(
    group_name=GROUP,
    kinds={"python", "json"},
    code_version=CODE,
    owners=OWNERS,
    deps=[inbox_files],  # a label is bound to the answer at rest
)
def labels(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One row per trace × dimension × annotator: what people and other judges said."""
    here, lake = settings(), settings().lake()
    done = was_taken_in(context.run.tags)
    added = 0 if done else pipeline.add_labels(lake, here.catalog(), here.labels)
    kinds: dict[str, int] = {}
    for label in lake.labels():
        kinds[label.annotator_kind] = kinds.get(label.annotator_kind, 0) + 1
    rows = [{"annotator_kind": kind, "labels": n} for kind, n in sorted(kinds.items())]
    return dg.MaterializeResult(metadata={"added": added, "by_kind": table(rows)})


@dg.asset(group_name="slices", kinds={"yaml"}, code_version=CODE, owners=OWNERS)
def slice_catalog(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One row per declared slice: a value, a predicate or a keyword."""
    rows = [row._asdict() for row in pipeline.slice_rows(settings().catalog())]
    return dg.MaterializeResult(metadata={"slices": len(rows), "declared": table(rows)})
