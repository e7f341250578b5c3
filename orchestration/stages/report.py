"""Stage 6, report: dbt models rates, and each application's night becomes a versioned report.

Counts and rates are dbt's, intervals and verdicts `evals.reports`'.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
from dagster_dbt import dbt_assets

from evals import pipeline
from evals.reports import assembly
from evals.reports.finalize import Final
from evals.reports.report import Report
from evals.reports.sections import results
from evals.storage import marts, night_state
from evals.storage.lake import Lake
from orchestration.runtime import pin_checks
from orchestration.runtime.dbt_models import Translator, dbt_build, manifest
from orchestration.runtime.deployment import QUALITY, Deployment, tags_of
from orchestration.runtime.metadata import (
    Checked,
    board_url,
    check_nights,
    nights_of,
    show_nights,
    table,
)
from orchestration.runtime.partitions import CODE, RANGE
from orchestration.runtime.progress import Progress, each
from orchestration.settings import Settings
from orchestration.stages.evaluate import score_keys

GROUP = "report"
REPORTS = dg.AssetKey("reports")
GATE = "release_gate"
QUALITY_MODELS = "quality_models"
Rows = list[dict[str, Any]]


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    return [build_models(deployment), build_reports(deployment), build_board(deployment)]


def build_models(deployment: Deployment) -> dg.AssetsDefinition:
    """The assets of the dbt models over scores."""
    here = deployment.settings

    @dbt_assets(
        manifest=manifest(),
        selector="quality",
        name=QUALITY_MODELS,
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        dagster_dbt_translator=Translator(GROUP, score_keys(deployment)),
    )
    def quality_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Scores, agreement and rates by slice, joined and counted in SQL."""
        lake, nights = here.lake(), nights_of(context)
        Progress.say("modelling scores with dbt", 0, len(nights))
        path = pipeline.fill_warehouse(lake, here.catalog(), context.run.run_id, nights)
        yield from dbt_build(context, path)
        marts.publish(lake, context.run.run_id, nights, marts.QUALITY_MARTS)

    return quality_models


def build_reports(deployment: Deployment) -> dg.AssetsDefinition:
    """The asset of the nights' reports."""
    here = deployment.settings
    promise = "No application regressed; nobody is alarmed before a night is final."

    @dg.asset(
        key=REPORTS,
        group_name=GROUP,
        kinds={"python", "html", "json"},
        code_version=CODE,
        owners=[QUALITY],
        tags=tags_of(GROUP, deployment.catalog.apps, pii=True),
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        deps=["rpt_rates", "rpt_failures", "rpt_provenance", "rpt_cause_rates", "fct_agreement"],
        check_specs=[
            dg.AssetCheckSpec(
                GATE, asset=REPORTS, description=promise, partitions_def=deployment.nights
            ),
        ],
    )
    def reports(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """One versioned report per night × application, kept for ever."""
        lake, nights = here.lake(), nights_of(context)
        rows = {
            night: report_night(here, lake, night, context.run.run_id)
            for night in each("reporting", nights)
        }
        final = pipeline.close_nights(lake, datetime.now(UTC))
        lake.drop_scratch(context.run.run_id)
        show_nights(context, {night: describe_night(lake, own) for night, own in rows.items()})
        yield dg.MaterializeResult()
        alarms = {night: alarms_of(night, own, final) for night, own in rows.items()}
        yield from check_nights(context, REPORTS, GATE, {n: gate(a) for n, a in alarms.items()})
        yield from (
            dg.AssetCheckEvaluation(
                asset_key=REPORTS,
                check_name=GATE,
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"regressed": table([final_row(one)])},
                partition=one.date.isoformat(),
            )
            for one in final
            if one.date not in rows and one.gate == "regressed"
        )

    return reports


def report_night(here: Settings, lake: Lake, night: date, run_id: str) -> Rows:
    """Writes a night's reports; one row each."""
    now = datetime.now(UTC)
    stamp = {"run_id": run_id, "reported_at": now.isoformat()} | pin_checks.ending(here)
    rows = []
    for report, folder in assembly.write_night_reports(lake, here.catalog(), night, stamp):
        until = night_state.provisional_until(lake, night, report.app, now)
        rows.append({**report_row(lake, report, folder), "provisional": until or ""})
    return rows


def report_row(lake: Lake, report: Report, folder: Path) -> dict[str, Any]:
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
        "page": f"{board_url(lake)}/{quote('/'.join(folder.parts[-3:]))}/index.html",
        "file": str(folder / "index.html"),
    }


def describe_night(lake: Lake, rows: Rows) -> dict[str, Any]:
    """A night's reports as its partition shows them: numbers, and links to its own pages."""
    rates = [row["lowest_rate"] for row in rows if row["lowest_rate"] is not None]
    pages = {f"page/{row['app']}": dg.MetadataValue.url(row["page"]) for row in rows}
    files = {f"file/{row['app']}": dg.MetadataValue.path(row["file"]) for row in rows}
    return {
        "reports": len(rows),
        "regressed": sum(row["gate"] == "regressed" for row in rows),
        **({"lowest_rate": min(rates)} if rates else {}),
        **pages,
        **files,
        "board": dg.MetadataValue.url(f"{board_url(lake)}/index.html"),
        "by_application": table(rows),
    }


def alarms_of(night: date, rows: Rows, final: Sequence[Final]) -> Rows:
    """What regressed in a night that is final."""
    keys = ("night", "app", "gate", "sentence")
    shown = [{key: row[key] for key in keys} for row in rows if not row["provisional"]]
    shown += [final_row(one) for one in final if one.date == night]
    return [row for row in shown if row["gate"] == "regressed"]


def gate(regressed: Rows) -> Checked:
    """The release gate of a night."""
    return Checked(not regressed, dg.AssetCheckSeverity.WARN, {"regressed": table(regressed)})


def final_row(final: Final) -> dict[str, Any]:
    """A night that has become final, in one row."""
    night = final.date.isoformat()
    return {"night": night, "app": final.app, "gate": final.gate, "sentence": final.sentence}


def build_board(deployment: Deployment) -> dg.AssetsDefinition:
    """The asset of the board."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"html"},
        code_version=CODE,
        owners=[QUALITY],
        tags=tags_of(GROUP),
        deps=[REPORTS],
    )
    def board(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """One page over all nights and applications, and the warehouse of views beside it."""
        lake = here.lake()
        path = assembly.write_board(lake, pin_checks.ending(here))
        marts.warehouse(lake)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.url(f"{board_url(lake)}/index.html"),
                "file": dg.MetadataValue.path(str(path)),
            }
        )

    return board
