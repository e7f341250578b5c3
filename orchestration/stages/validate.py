"""Stage 2, validate: staged rows that pass Great Expectations become the night's traces.

What a valid trace is, the catalog declares; the rows that fail go to quarantine.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import dagster as dg

from evals.specs import Expectation
from evals.storage.report_files import data_docs_file
from evals.validation import admission
from orchestration.runtime.deployment import PLATFORM, Deployment, tags_of
from orchestration.runtime.metadata import (
    Checked,
    board_url,
    check_nights,
    nights_of,
    plain,
    show_nights,
    table,
)
from orchestration.runtime.partitions import CODE, RANGE
from orchestration.runtime.progress import Progress

GROUP = "validate"
TRACES, QUARANTINE = dg.AssetKey("traces"), dg.AssetKey("quarantine")
ADMITTED = "night_admitted"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
SEVERITY = {"critical": ERROR, "warning": WARN}
COUNTS = ("read", "accepted", "duplicate", "corrected", "merged", "quarantined")
Rows = list[dict[str, Any]]


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    here, expectations = deployment.settings, deployment.catalog.expectations()

    @dg.multi_asset(
        specs=build_specs(deployment),
        check_specs=build_checks(deployment, expectations),
        backfill_policy=RANGE,
    )
    def valid_traces(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Validates each night by itself; a refused one drops out and the others go on."""
        lake, catalog, nights = here.lake(), here.catalog(), nights_of(context)
        Progress.say("validating with Great Expectations", 0, len(nights))
        admitted = admission.admit_nights(lake, catalog, nights)
        accounts: dict[date, Rows] = {
            night: [
                {"night": night.isoformat(), "app": app, "final": is_final(catalog, night, app)}
                | dict(account)
                for app, account in apps.items()
            ]
            for night, apps in admitted.items()
        }
        show_nights(context, {n: count_rows(rows) for n, rows in accounts.items()}, TRACES)
        show_nights(context, {n: count_reasons(r) for n, r in accounts.items()}, QUARANTINE)
        yield dg.MaterializeResult(asset_key=TRACES)
        yield dg.MaterializeResult(asset_key=QUARANTINE)
        docs = {night: docs_of(lake, night, rows) for night, rows in accounts.items()}
        for check in expectations:
            found = {n: check_night(check, rows, docs[n]) for n, rows in accounts.items()}
            yield from check_nights(context, TRACES, check.check, found)
        refusals = {night: check_admission(rows) for night, rows in accounts.items()}
        yield from check_nights(context, TRACES, ADMITTED, refusals)

    return [valid_traces]


def build_specs(deployment: Deployment) -> list[dg.AssetSpec]:
    """The night's traces, and the rows that were refused."""
    common: dict[str, Any] = {
        "deps": ["staged_traces"],
        "group_name": GROUP,
        "code_version": CODE,
        "owners": [PLATFORM],
        "tags": tags_of(GROUP, pii=True),
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
    """One check an expectation, and whether the night was admitted; each by night."""
    promises = {check.check: check.reason for check in expectations}
    promises[ADMITTED] = "No application had so many bad rows that its night was refused."
    return [
        dg.AssetCheckSpec(name, asset=TRACES, description=promise, partitions_def=deployment.nights)
        for name, promise in promises.items()
    ]


def is_final(catalog: Any, night: date, app: str) -> bool:
    """Whether no more rows are awaited of a night; until then what is wrong with it only warns."""
    return datetime.now(UTC) >= catalog.app(app).watermark(night, catalog.day_begins)


def severity(rows: Rows, most: dg.AssetCheckSeverity) -> dg.AssetCheckSeverity:
    """How bad it is that these applications failed: provisional nights alarm nobody."""
    return most if any(row["final"] for row in rows) else WARN


def count_rows(rows: Rows) -> dict[str, Any]:
    """What became of a night's rows."""
    shown = ("app", *COUNTS, "refused")
    counts = [{key: row.get(key, 0) for key in shown} for row in rows]
    total = {key: sum(row.get(key, 0) for row in rows) for key in COUNTS}
    return {**total, "by_application": table(counts)}


def count_reasons(rows: Rows) -> dict[str, Any]:
    """Why a night's rows were refused."""
    reasons = [
        {"app": row["app"], "code": code, "rows": n}
        for row in rows
        for code, n in row["reasons"].items()
    ]
    return {"rows": sum(row["rows"] for row in reasons), "reasons": table(reasons)}


def docs_of(lake: Any, night: date, rows: Rows) -> dict[str, Mapping[str, Any]]:
    """Links to the Data Docs of a night, by application."""
    docs, board = {}, board_url(lake)
    for app in (row["app"] for row in rows):
        path = data_docs_file(lake, night, app)
        url = f"{board}/data_docs/{quote('/'.join(path.parts[-2:]))}"
        docs[app] = {
            "data_docs": dg.MetadataValue.url(url),
            "file": dg.MetadataValue.path(str(path)),
        }
    return docs


def check_night(check: Expectation, rows: Rows, docs: Mapping[str, Mapping[str, Any]]) -> Checked:
    """One expectation over a night, with the rows that failed it and a link to all of them."""
    failed = [
        {"app": row["app"], "final": row["final"], **found}
        for row in rows
        for found in row["checks"]
        if found["name"] == check.check and not found["success"]
    ]
    shown = next((docs[row["app"]] for row in failed or rows), {})
    metadata = {"why": check.reason, "failed": table(plain(failed)), **shown}
    return Checked(not failed, severity(failed, SEVERITY[check.severity]), metadata)


def check_admission(rows: Rows) -> Checked:
    """Whether a night was refused for one of its applications."""
    refused = [row for row in rows if row["refused"]]
    shown = [{"app": row["app"], "reason": row["refused"]} for row in refused]
    return Checked(not refused, severity(refused, ERROR), {"refused": table(shown)})
