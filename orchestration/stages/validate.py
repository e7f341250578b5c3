"""Stage 2, validate: staged rows that pass Great Expectations become the night's traces.

The catalog declares what a valid trace is; rows that fail go to quarantine.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypedDict
from urllib.parse import quote

import dagster as dg

from evals.specs import Catalog, Expectation
from evals.storage.lake import Lake
from evals.storage.report_files import locate_data_docs
from evals.validation import admission
from evals.validation.row_summary import list_refused
from orchestration.runtime.addresses import find_board_url
from orchestration.runtime.deployment import PLATFORM, Deployment, build_tags
from orchestration.runtime.metadata import (
    CheckEvent,
    CheckOutcome,
    Materialized,
    Metadata,
    check_nights,
    list_run_nights,
    show_nights,
    show_table,
)
from orchestration.runtime.partitions import CODE, RANGE
from orchestration.runtime.progress import Progress

GROUP = "validate"
TRACES, QUARANTINE = dg.AssetKey("traces"), dg.AssetKey("quarantine")
ADMITTED = "night_admitted"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
SEVERITY = {"critical": ERROR, "warning": WARN}
COUNTS = ("read", "accepted", "duplicate", "corrected", "merged", "quarantined")


class AppNight(NamedTuple):
    """What validation did to an application's rows of a night."""

    app: str
    final: bool
    """Whether no more rows are expected."""
    account: Mapping[str, Any]
    """The counts, reasons and checks of its rows, as its report's accounting has them."""


class CommonSpec(TypedDict):
    """The attributes that both assets of the stage have."""

    deps: list[str]
    group_name: str
    code_version: str
    owners: list[str]
    tags: Mapping[str, str]
    partitions_def: dg.DailyPartitionsDefinition


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    settings, expectations = deployment.settings, deployment.catalog.expectations()

    @dg.multi_asset(
        specs=build_specs(deployment),
        check_specs=build_checks(deployment, expectations),
        backfill_policy=RANGE,
    )
    def valid_traces(context: dg.AssetExecutionContext) -> Iterator[Materialized | CheckEvent]:
        """Validates each night by itself; a refused one does not stop the others."""
        lake, catalog, nights = (
            settings.open_lake(),
            settings.load_catalog(),
            list_run_nights(context),
        )
        Progress.report("validating with Great Expectations", 0, len(nights))
        admitted = admission.admit_nights(lake, catalog, nights)
        accounts = {
            night: [
                AppNight(app, is_final(catalog, night, app), account)
                for app, account in apps.items()
            ]
            for night, apps in admitted.items()
        }
        show_nights(context, {n: count_rows(apps) for n, apps in accounts.items()}, TRACES)
        show_nights(
            context, {n: count_reasons(lake, n, apps) for n, apps in accounts.items()}, QUARANTINE
        )
        yield dg.MaterializeResult(asset_key=TRACES)
        yield dg.MaterializeResult(asset_key=QUARANTINE)
        docs = {night: link_data_docs(lake, night, apps) for night, apps in accounts.items()}
        for check in expectations:
            outcomes = {n: check_night(check, apps, docs[n]) for n, apps in accounts.items()}
            yield from check_nights(context, TRACES, check.check, outcomes)
        refusals = {night: check_admission(apps) for night, apps in accounts.items()}
        yield from check_nights(context, TRACES, ADMITTED, refusals)

    return [valid_traces]


def build_specs(deployment: Deployment) -> list[dg.AssetSpec]:
    """Builds the assets of the night's traces and of its refused rows."""
    common: CommonSpec = {
        "deps": ["staged_traces"],
        "group_name": GROUP,
        "code_version": CODE,
        "owners": [PLATFORM],
        "tags": build_tags(GROUP, pii=True),
        "partitions_def": deployment.nights,
    }
    return [
        dg.AssetSpec(
            TRACES,
            **common,
            kinds={"greatexpectations", "parquet"},
            description="One row per request to an application: valid, redacted, unique.",
        ),
        dg.AssetSpec(
            QUARANTINE,
            **common,
            kinds={"parquet"},
            description="One row per refused row, with its file, line, reason and bytes.",
        ),
    ]


def build_checks(
    deployment: Deployment, expectations: tuple[Expectation, ...]
) -> list[dg.AssetCheckSpec]:
    """Builds one check per expectation, and whether the night was admitted; each by night."""
    promises = {check.check: check.reason for check in expectations}
    promises[ADMITTED] = "No application had so many bad rows that its night was refused."
    return [
        dg.AssetCheckSpec(name, asset=TRACES, description=promise, partitions_def=deployment.nights)
        for name, promise in promises.items()
    ]


def is_final(catalog: Catalog, night: date, app: str) -> bool:
    """Whether no more rows of a night are expected; until then a failed check only warns."""
    return datetime.now(UTC) >= catalog.app(app).watermark(night, catalog.day_begins)


def limit_severity(
    apps: Sequence[AppNight], severity: dg.AssetCheckSeverity
) -> dg.AssetCheckSeverity:
    """Limits the severity of a failed check: a provisional night only warns."""
    return severity if any(app.final for app in apps) else WARN


def count_rows(apps: Sequence[AppNight]) -> Metadata:
    """Counts a night's rows by outcome, in total and by application."""
    rows = [
        {"app": app.app, **{key: app.account.get(key, 0) for key in (*COUNTS, "refused")}}
        for app in apps
    ]
    total = {key: sum(app.account.get(key, 0) for app in apps) for key in COUNTS}
    return {**total, "by_application": show_table(rows)}


def count_reasons(lake: Lake, night: date, apps: Sequence[AppNight]) -> Metadata:
    """Counts a night's refused rows by application and reason; names the first row of each."""
    reasons = [
        {"app": app.app, "code": code, "rows": n}
        for app in apps
        for code, n in app.account["reasons"].items()
    ]
    total = sum(sum(app.account["reasons"].values()) for app in apps)
    first = [rows._asdict() for rows in list_refused(lake, night=night)] if total else []
    return {"rows": total, "reasons": show_table(reasons), "first_rows": show_table(first)}


def link_data_docs(lake: Lake, night: date, apps: Sequence[AppNight]) -> dict[str, Metadata]:
    """Links to the Data Docs of a night, by application."""
    docs: dict[str, Metadata] = {}
    board = find_board_url(lake)
    for app in apps:
        path = locate_data_docs(lake, night, app.app)
        url = f"{board}/data_docs/{quote('/'.join(path.parts[-2:]))}"
        docs[app.app] = {
            "data_docs": dg.MetadataValue.url(url),
            "file": dg.PathMetadataValue(str(path)),
        }
    return docs


def check_night(
    check: Expectation, apps: Sequence[AppNight], docs: Mapping[str, Metadata]
) -> CheckOutcome:
    """Whether a night meets an expectation; counts of the rows that do not, and a link to them."""
    failures = [
        (app, {"app": app.app, "final": app.final, **result})
        for app in apps
        for result in app.account["checks"]
        if result["name"] == check.check and not result["success"]
    ]
    failed = [app for app, _ in failures]
    links: Metadata = docs[(failed or apps)[0].app] if apps else {}
    rows = show_table([row for _, row in failures])
    metadata: Metadata = {"why": check.reason, "failed": rows, **links}
    return CheckOutcome(not failed, limit_severity(failed, SEVERITY[check.severity]), metadata)


def check_admission(apps: Sequence[AppNight]) -> CheckOutcome:
    """Whether a night was admitted for all of its applications."""
    refused = [app for app in apps if app.account["refused"]]
    rows = [{"app": app.app, "reason": app.account["refused"]} for app in refused]
    severity = limit_severity(refused, ERROR)
    return CheckOutcome(not refused, severity, {"refused": show_table(rows)})
