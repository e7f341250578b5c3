"""Stage 6, report: dbt models rates, and each application's night becomes a versioned report.

Counts and rates are dbt's, intervals and verdicts `evals.reports`'.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
from dagster_dbt import dbt_assets

from evals import pipeline
from evals.reports import assembly, finalize
from evals.reports.report import Report
from evals.reports.sections import results
from evals.storage import marts, night_state
from evals.storage.report_files import board_file
from orchestration.runtime import pin_checks
from orchestration.runtime.dbt_models import Translator, dbt_build, manifest
from orchestration.runtime.metadata import BOARD_URL, nights_of, spark, table
from orchestration.runtime.partitions import CODE, NIGHTS, RANGE
from orchestration.runtime.progress import Progress, each
from orchestration.settings import settings
from orchestration.stages.evaluate import KEYS

GROUP = "report"
OWNERS = ["team:quality"]
REPORTS = dg.AssetKey("reports")
GATE = "release_gate"


@dbt_assets(
    manifest=manifest(),
    selector="quality",
    name="quality_models",
    partitions_def=NIGHTS,
    backfill_policy=RANGE,
    dagster_dbt_translator=Translator(KEYS),
)
def quality_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Scores, agreement and rates by slice, joined and counted in SQL."""
    lake, nights = settings().lake(), nights_of(context)
    Progress.say("modelling scores with dbt")
    path = pipeline.fill_warehouse(lake, settings().catalog(), context.run.run_id, nights)
    yield from dbt_build(context, path)
    marts.publish(lake, context.run.run_id, nights, marts.QUALITY_MARTS)


@dg.asset(
    key=REPORTS,
    group_name=GROUP,
    kinds={"python", "html", "json"},
    code_version=CODE,
    owners=OWNERS,
    partitions_def=NIGHTS,
    backfill_policy=RANGE,
    deps=["rpt_rates", "rpt_failures", "rpt_provenance", "rpt_cause_rates", "fct_agreement"],
    check_specs=[
        dg.AssetCheckSpec(
            GATE,
            asset=REPORTS,
            description="No application regressed; nobody is alarmed before a night is final.",
        ),
    ],
)
def reports(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """One versioned report per night × application, kept for ever."""
    lake, catalog = settings().lake(), settings().catalog()
    rows = []
    for night in each("reporting", nights_of(context)):
        now = datetime.now(UTC)
        stamp = {"run_id": context.run.run_id, "reported_at": now.isoformat()}
        stamp |= pin_checks.ending()
        for report, folder in assembly.write_night_reports(lake, catalog, night, stamp):
            until = night_state.provisional_until(lake, night, report.app, now)
            rows.append({**line(report, folder), "provisional": until or ""})
    final = pipeline.close_nights(lake, datetime.now(UTC))
    lake.drop_scratch(context.run.run_id)
    last = rows[-1] if rows else {}
    charts = [
        f"`{app}` {spark([row['lowest_rate'] for row in rows if row['app'] == app])}"
        for app in sorted({row["app"] for row in rows})
    ]
    yield dg.MaterializeResult(
        metadata={
            "reports": len(rows),
            "page": dg.MetadataValue.url(last.get("page", BOARD_URL)),
            "file": dg.MetadataValue.path(last.get("file", str(board_file(lake)))),
            "board": dg.MetadataValue.url(f"{BOARD_URL}/index.html"),
            "lowest_rate_by_night": dg.MetadataValue.md("  \n".join(charts) or "no reports"),
            "by_night_and_application": table(rows),
        }
    )
    keys = ("night", "app", "gate", "sentence")
    told = [{key: row[key] for key in keys} for row in rows if not row["provisional"]]
    regressed = [row for row in [*told, *map(said, final)] if row["gate"] == "regressed"]
    yield dg.AssetCheckResult(
        check_name=GATE,
        passed=not regressed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"regressed": table(regressed)},
    )


def said(final: finalize.Final) -> dict[str, Any]:
    """A night that has become final, in one row."""
    night = final.date.isoformat()
    return {"night": night, "app": final.app, "gate": final.gate, "sentence": final.sentence}


def line(report: Report, folder: Path) -> dict[str, Any]:
    """A report in one row: its verdict, where `andon ui` serves it and where it is stored."""
    rates = [
        row.rate
        for row in report[results.SECTION]
        if row.is_whole and row.decides and row.rate is not None
    ]
    return {
        "night": report.date.isoformat(),
        "app": report.app,
        "version": report.version,
        "verdict": report.verdict,
        "gate": report.gate.outcome,
        "sentence": report.sentence,
        "lowest_rate": min(rates, default=None),
        "page": f"{BOARD_URL}/{quote('/'.join(folder.parts[-3:]))}/index.html",
        "file": str(folder / "index.html"),
    }


@dg.asset(group_name=GROUP, kinds={"html"}, code_version=CODE, owners=OWNERS, deps=[reports])
def board(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One page over all nights and applications, and the warehouse of views beside it."""
    lake = settings().lake()
    path = assembly.write_board(lake, pin_checks.ending())
    marts.warehouse(lake)
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.url(f"{BOARD_URL}/index.html"),
            "file": dg.MetadataValue.path(str(path)),
        }
    )
