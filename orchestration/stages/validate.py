"""Stage 2, validate: staged rows that pass Great Expectations become the night's traces.

What a valid trace is says the catalog; the failing rows rest in quarantine.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import dagster as dg

from evals.storage.report_files import data_docs_file
from evals.validation import admission
from orchestration.runtime.metadata import BOARD_URL, nights_of, plain, table
from orchestration.runtime.partitions import CODE, NIGHTS, RANGE
from orchestration.runtime.progress import Progress
from orchestration.settings import settings

GROUP = "validate"
OWNERS = ["team:andon"]
TRACES = dg.AssetKey("traces")
SEVERITY = {"critical": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}
EXPECTATIONS = settings().catalog().expectations()
COUNTS = ("read", "accepted", "duplicate", "corrected", "merged", "quarantined")
CHECKS = [
    *(
        dg.AssetCheckSpec(check.check, asset=TRACES, description=check.reason)
        for check in EXPECTATIONS
    ),
    dg.AssetCheckSpec(
        "night_admitted",
        asset=TRACES,
        description="No application had so many bad rows that its night was refused.",
    ),
]


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            TRACES,
            deps=["staged_traces"],
            group_name=GROUP,
            kinds={"greatexpectations", "parquet"},
            code_version=CODE,
            owners=OWNERS,
            description="One row per request to an application: valid, redacted, unique.",
            partitions_def=NIGHTS,
        ),
        dg.AssetSpec(
            "quarantine",
            deps=["staged_traces"],
            group_name=GROUP,
            kinds={"parquet"},
            code_version=CODE,
            owners=OWNERS,
            description="One row per refused row, with its file, line, reason and bytes.",
            partitions_def=NIGHTS,
        ),
    ],
    check_specs=CHECKS,
    backfill_policy=RANGE,
)
def valid_traces(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Validates each night by itself; a refused one drops out and the others go on."""
    lake, catalog = settings().lake(), settings().catalog()
    nights = nights_of(context)
    Progress.say("validating with Great Expectations", 0, len(nights))
    accounts = [
        {"night": night.isoformat(), "app": app, "final": final(night, app), **account}
        for night, apps in admission.admit(lake, catalog, nights).items()
        for app, account in apps.items()
    ]
    shown = ("night", "app", *COUNTS, "refused")
    counts = [{key: row.get(key, 0) for key in shown} for row in accounts]
    total = {key: sum(row.get(key, 0) for row in accounts) for key in COUNTS}
    yield dg.MaterializeResult(
        asset_key=TRACES, metadata={**total, "by_night_and_application": table(counts)}
    )
    reasons = [
        {"night": row["night"], "app": row["app"], "code": code, "rows": n}
        for row in accounts
        for code, n in row["reasons"].items()
    ]
    yield dg.MaterializeResult(
        asset_key="quarantine",
        metadata={"rows": sum(row["rows"] for row in reasons), "reasons": table(reasons)},
    )
    yield from results(accounts)


def final(night: date, app: str) -> bool:
    """Whether no more rows are awaited of a night; until then what is wrong with it only warns."""
    catalog = settings().catalog()
    return datetime.now(UTC) >= catalog.app(app).watermark(night, catalog.day_begins)


def severity(rows: list[dict[str, Any]], most: dg.AssetCheckSeverity) -> dg.AssetCheckSeverity:
    """How bad it is that these nights failed: provisional ones alarm nobody."""
    return most if any(row["final"] for row in rows) else dg.AssetCheckSeverity.WARN


def data_docs(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A link to the Data Docs of the last night that has something to show."""
    if not rows:
        return {}
    last = max(rows, key=lambda row: row["night"])
    night = date.fromisoformat(last["night"])
    path = data_docs_file(settings().lake(), night, last["app"])
    url = f"{BOARD_URL}/data_docs/{quote('/'.join(path.parts[-2:]))}"
    return {"data_docs": dg.MetadataValue.url(url), "file": dg.MetadataValue.path(str(path))}


def results(accounts: list[dict[str, Any]]) -> Iterator[dg.AssetCheckResult]:
    """The nights' checks, one result a check, with the rows that failed it."""
    for check in EXPECTATIONS:
        failed = [
            {"night": row["night"], "app": row["app"], "final": row["final"], **found}
            for row in accounts
            for found in row["checks"]
            if found["name"] == check.check and not found["success"]
        ]
        yield dg.AssetCheckResult(
            check_name=check.check,
            asset_key=TRACES,
            passed=not failed,
            severity=severity(failed, SEVERITY[check.severity]),
            metadata={
                "why": check.reason,
                "failed": table(plain(failed)),
                **data_docs(failed or accounts),
            },
        )
    refused = [row for row in accounts if row["refused"]]
    shown = [{"night": r["night"], "app": r["app"], "reason": r["refused"]} for r in refused]
    yield dg.AssetCheckResult(
        check_name="night_admitted",
        asset_key=TRACES,
        passed=not refused,
        severity=severity(refused, dg.AssetCheckSeverity.ERROR),
        metadata={"refused": table(shown)},
    )
