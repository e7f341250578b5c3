"""Stage 1, ingest: exports in the inbox become staged rows by night.

How a file is read is in `evals.traces`; redaction has happened before anything is stored here.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from evals import pipeline
from orchestration.runtime.deployment import PLATFORM, WHOLE, Deployment, reference_to, tags_of
from orchestration.runtime.metadata import nights_of, show_nights, table
from orchestration.runtime.partitions import CODE, RANGE
from orchestration.runtime.progress import Progress
from orchestration.runtime.run_tags import was_taken_in

GROUP = "ingest"
PULLED = "sources_pulled"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of this stage, and what the catalog declares."""
    return [
        *application_specs(deployment),
        build_inbox_files(deployment),
        build_staged_traces(deployment),
        build_labels(deployment),
        build_slice_catalog(deployment),
    ]


def application_key(app: str) -> dg.AssetKey:
    """The asset of an application: `applications/NAME`."""
    return dg.AssetKey(["applications", app.replace(".", "__").replace("-", "_")])


def application_specs(deployment: Deployment) -> list[dg.AssetSpec]:
    """One asset an application, made by a team's commit; a broken one shows what is wrong."""
    catalog, problems = deployment.catalog, deployment.problems
    return [
        dg.AssetSpec(
            application_key(app),
            group_name=GROUP,
            kinds={"yaml"},
            owners=deployment.owners([app]),
            tags={**tags_of(GROUP, [app]), **({"broken": ""} if app in problems else {})},
            description=describe_application(deployment, app),
            metadata=reference_to(app_file(catalog.root, app), 1, app),
        )
        for app in sorted({*catalog.apps, *problems})
    ]


def app_file(root: Path, app: str) -> Path:
    """The file an application is declared in, by the usual name; the catalog's own for all."""
    return root / "catalog.yaml" if app == WHOLE else root / "apps" / f"{app}.yaml"


def describe_application(deployment: Deployment, app: str) -> str:
    """What an application is, or why it is not evaluated."""
    if problem := deployment.problems.get(app):
        return f"Broken, so nothing of it is evaluated: {problem}"
    spec = deployment.catalog.apps[app]
    return spec.description or spec.title or f"The application {app}, declared by its team."


def build_inbox_files(deployment: Deployment) -> dg.AssetsDefinition:
    """The asset that pulls sources and reads exports."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"python", "parquet"},
        code_version=CODE,
        owners=[PLATFORM],
        tags=tags_of(GROUP, pii=True),
        check_specs=[
            dg.AssetCheckSpec(
                PULLED, asset="inbox_files", description="Every source of the catalog was pulled."
            )
        ],
    )
    def inbox_files(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """One row per file seen in the inbox, with what was read from it."""
        lake, catalog = here.lake(), here.catalog()
        failures: list[str] = []
        if not was_taken_in(context.run.tags):
            now, intake = datetime.now(UTC), pipeline.Intake(here.inbox)
            failures = pipeline.pull_sources(lake, catalog, now, Progress.say)
            pipeline.import_exports(lake, catalog, intake, now, Progress.say)
        rows = sorted(lake.inbox_files().values(), key=lambda row: row.name)
        shown = [{**row._asdict(), "nights": len(row.nights)} for row in rows]
        yield dg.MaterializeResult(
            metadata={
                "files": len(rows),
                "rows_read": sum(row.read for row in rows),
                "rows_refused": sum(row.refused for row in rows),
                "seen": table(shown[-100:]),
            }
        )
        yield dg.AssetCheckResult(
            check_name=PULLED,
            passed=not failures,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"not_pulled": table([{"why": failure} for failure in failures])},
        )

    return inbox_files


def build_staged_traces(deployment: Deployment) -> dg.AssetsDefinition:
    """The asset that shows what was staged."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"python", "parquet"},
        code_version=CODE,
        owners=[PLATFORM],
        tags=tags_of(GROUP, pii=True),
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        deps=["inbox_files"],
    )
    def staged_traces(context: dg.AssetExecutionContext) -> None:
        """One row per row read from an export, redacted, before it is validated."""
        lake, shown = here.lake(), {}
        for night in nights_of(context):
            sql = "select app, count(*) as n from staged group by app order by app"
            counts = lake.rows(sql, {"staged": [night]})
            rows = sum(row["n"] for row in counts)
            shown[night] = {"rows": rows, "by_application": table(counts)}
        show_nights(context, shown)

    return staged_traces


def build_labels(deployment: Deployment) -> dg.AssetsDefinition:
    """The asset that adds labels."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"python", "json"},
        code_version=CODE,
        owners=[PLATFORM],
        tags=tags_of(GROUP, pii=True),
        deps=["inbox_files"],  # a label is bound to the answer that was imported
    )
    def labels(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """One row per trace × dimension × annotator: the verdict of a person or another judge."""
        lake, added = here.lake(), 0
        if not was_taken_in(context.run.tags):
            added = pipeline.add_labels(lake, here.catalog(), here.labels)
        kinds = Counter(label.annotator_kind for label in lake.labels())
        rows = [{"annotator_kind": kind, "labels": n} for kind, n in sorted(kinds.items())]
        return dg.MaterializeResult(
            metadata={"labels": kinds.total(), "added": added, "by_kind": table(rows)}
        )

    return labels


def build_slice_catalog(deployment: Deployment) -> dg.AssetsDefinition:
    """The asset that shows the declared slices."""
    here = deployment.settings

    @dg.asset(
        group_name="slices",
        kinds={"yaml"},
        code_version=CODE,
        owners=[PLATFORM],
        tags=tags_of("slices"),
    )
    def slice_catalog(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """One row per declared slice: a value, a predicate or a keyword."""
        rows = [row._asdict() for row in pipeline.slice_rows(here.catalog())]
        return dg.MaterializeResult(metadata={"slices": len(rows), "declared": table(rows)})

    return slice_catalog
