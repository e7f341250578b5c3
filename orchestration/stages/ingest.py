"""Stage 1, ingest: reads the exports in the inbox and stages their rows by night.

`evals.traces` and `evals.ingest` read and redact the files.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from evals import pipeline
from evals.ingest.inbox import find_unread, list_inboxes, list_passed_over
from evals.intake import Intake, add_labels, import_exports, pull_sources
from evals.labels.label_files import LabelImport
from evals.readable import make_name_readable
from evals.specs import Catalog
from evals.storage.documents.inbox_files import InboxFile, read_inbox_files
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.storage.queries import query_tables
from evals.validation import row_summary
from evals.validation.row_summary import list_refused
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.deployment import WHOLE, Deployment, build_tags, link_source
from orchestration.runtime.metadata import (
    CheckEvent,
    Materialized,
    Metadata,
    list_run_nights,
    show_nights,
    show_table,
)
from orchestration.runtime.progress import Progress
from orchestration.runtime.run_tags import is_intake_done

GROUP = "ingest"
PULLED, READ = "sources_pulled", "inbox_read"
PROMISES = {
    PULLED: "Every source of the catalog was pulled.",
    READ: "Every file of the inbox was read, and none had all its rows refused.",
}
"""What the checks of `inbox_files` promise."""
SHOWN_FILES = 100


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Builds the assets of this stage, and one for each application of the catalog."""
    return [
        *build_application_specs(deployment),
        build_inbox_files(deployment),
        build_staged_traces(deployment),
        build_labels(deployment),
        build_slice_catalog(deployment),
    ]


def build_application_key(app: str) -> dg.AssetKey:
    """Returns the asset of an application: `applications/NAME`."""
    return dg.AssetKey(["applications", app.replace(".", "__").replace("-", "_")])


def build_application_specs(deployment: Deployment) -> list[dg.AssetSpec]:
    """Builds one asset per application; that of a broken one shows what is wrong with it."""
    catalog, problems = deployment.catalog, deployment.problems
    return [
        dg.AssetSpec(
            build_application_key(app),
            group_name=GROUP,
            kinds={"yaml"},
            owners=deployment.find_owners([app]),
            tags={**build_tags(GROUP, [app]), **({"broken": ""} if app in problems else {})},
            description=describe_application(deployment, app),
            metadata=link_source(find_declaration(catalog.root, app), 1, app),
        )
        for app in sorted({*catalog.apps, *problems})
    ]


def find_declaration(root: Path, app: str) -> Path:
    """Returns the file that usually declares an application; `catalog.yaml` for all of them."""
    return root / "catalog.yaml" if app == WHOLE else root / "apps" / f"{app}.yaml"


def describe_application(deployment: Deployment, app: str) -> str:
    """Describes an application, or explains why it is not evaluated."""
    if problem := deployment.problems.get(app):
        return f"Broken, so it is not evaluated: {problem}"
    spec = deployment.catalog.apps[app]
    return spec.description or spec.title or f"The application {app}, declared by its team."


def build_inbox_files(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset that pulls sources and imports exports."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "parquet"},
        pii=True,
        check_specs=[
            dg.AssetCheckSpec(name, asset="inbox_files", description=promise)
            for name, promise in PROMISES.items()
        ],
    )
    def inbox_files(context: dg.AssetExecutionContext) -> Iterator[Materialized | CheckEvent]:
        """One row per file seen in the inbox, with what was read from it."""
        lake, catalog = settings.open_lake(), settings.load_catalog()
        failures: list[str] = []
        unread: list[str] = []
        if not is_intake_done(context.run.tags):
            now, intake = datetime.now(UTC), Intake(settings.inbox)
            failures = pull_sources(lake, catalog, now, Progress.report)
            unread = import_exports(lake, catalog, intake, now, Progress.report)
        rows = sorted(read_inbox_files(lake).values(), key=lambda row: row.name)
        yield dg.MaterializeResult(
            metadata={**describe_files(rows), **describe_rows(lake, catalog)}
        )
        yield dg.AssetCheckResult(
            check_name=PULLED,
            passed=not failures,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"not_pulled": show_table([{"why": failure} for failure in failures])},
        )
        places = list_inboxes(lake, catalog, settings.inbox)
        others = [entry.describe() for place in places for entry in list_passed_over(place)]
        yield check_files(rows, [*(unread or list_unread(lake, places)), *others])

    return inbox_files


def describe_files(rows: Sequence[InboxFile]) -> Metadata:
    """The number of files and of their rows, and the last files."""
    files = [
        {**row._asdict(), "nights": len(row.nights), "skipped": sum(row.skipped.values())}
        for row in rows[-SHOWN_FILES:]
    ]
    return {
        "files": len(rows),
        "rows_read": sum(row.read for row in rows),
        "rows_refused": sum(row.refused for row in rows),
        "entries_skipped": sum(sum(row.skipped.values()) for row in rows),
        "seen": show_table(files),
    }


def check_files(rows: Sequence[InboxFile], unread: Sequence[str]) -> dg.AssetCheckResult:
    """Whether every file was read, and gave at least one row that is a trace."""
    empty = [row for row in rows if row.read and row.refused == row.read]
    refused = [{"file": row.name, "rows": row.refused} for row in empty]
    return dg.AssetCheckResult(
        check_name=READ,
        passed=not unread and not empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "not_read": show_table([{"why": file} for file in unread]),
            "all_rows_refused": show_table(refused),
        },
    )


def list_unread(lake: Lake, places: Sequence[Path | str | None]) -> list[str]:
    """Lists the files of local inboxes that were not read, by name."""
    files = (path for place in places for path in find_unread(lake, place))
    return [make_name_readable(path.name) for path in files]


def describe_rows(lake: Lake, catalog: Catalog) -> Metadata:
    """Describes refused rows, unreadable fields and undeclared applications."""
    refused, files = list_refused(lake), read_inbox_files(lake).values()
    unread = row_summary.list_unread(files)
    undeclared = row_summary.find_undeclared(catalog, row_summary.count_apps(lake))
    return {
        "refused": show_table([rows._asdict() for rows in refused[:SHOWN_FILES]]),
        "unread_fields": show_table([rows._asdict() for rows in unread[:SHOWN_FILES]]),
        "undeclared": show_table([app._asdict() for app in undeclared]),
        "rows_left_out": sum(file.left_out for file in files),
    }


def build_staged_traces(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset that counts staged rows."""
    settings = deployment.settings

    @declare_asset(
        GROUP, {"python", "parquet"}, pii=True, nights=deployment.nights, deps=["inbox_files"]
    )
    def staged_traces(context: dg.AssetExecutionContext) -> None:
        """One row per row read from an export, redacted, before it is validated."""
        lake = settings.open_lake()
        shown: dict[date, Metadata] = {}
        for night in list_run_nights(context):
            sql = "select app, count(*) as n from staged group by app order by app"
            counts = query_tables(lake, sql, {"staged": [night]})
            rows = sum(row["n"] for row in counts)
            shown[night] = {"rows": rows, "by_application": show_table(counts)}
        show_nights(context, shown)

    return staged_traces


def build_labels(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset that adds labels."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "json"},
        pii=True,
        deps=["inbox_files"],  # a label belongs to an answer that was imported
    )
    def labels(context: dg.AssetExecutionContext) -> Materialized:
        """One row per trace × dimension × annotator: the verdict of a person or another judge."""
        lake, files = settings.open_lake(), list[LabelImport]()
        if not is_intake_done(context.run.tags):
            files = add_labels(lake, settings.load_catalog(), settings.labels, datetime.now(UTC))
        for line in (line for file in files for line in file.describe_refused()):
            context.log.warning("label refused: %s", line)
        kinds = Counter(label.annotator_kind for label in read_labels(lake))
        rows = [{"annotator_kind": kind, "labels": n} for kind, n in sorted(kinds.items())]
        return dg.MaterializeResult(
            metadata={
                "labels": kinds.total(),
                "added": sum(file.added for file in files),
                "refused": sum(len(file.refused) for file in files),
                "by_kind": show_table(rows),
            }
        )

    return labels


def build_slice_catalog(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset that lists the declared slices."""
    settings = deployment.settings

    @declare_asset("slices", {"yaml"})
    def slice_catalog(context: dg.AssetExecutionContext) -> Materialized:
        """One row per declared slice: a value, a predicate or a keyword."""
        rows = [row._asdict() for row in pipeline.list_slice_rows(settings.load_catalog())]
        return dg.MaterializeResult(metadata={"slices": len(rows), "declared": show_table(rows)})

    return slice_catalog
