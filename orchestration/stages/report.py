"""Stage 6, report: dbt computes rates; each application's night becomes a versioned report.

Counts and rates are in `dbt_project`, intervals and verdicts in `evals.reports`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import dagster as dg
from dagster_dbt import dbt_assets

from evals import pipeline
from evals.reports import assembly, board_pages
from evals.reports.archive import read_report
from evals.reports.finalize import FinalNight
from evals.reports.missing_nights import find_missing_nights
from evals.reports.renewal import renew_dependent_reports
from evals.reports.report import Report
from evals.reports.sections import results
from evals.storage import marts, night_state
from evals.storage.lake import Lake
from evals.storage.scratch import delete_run_folder
from orchestration.runtime import pin_checks
from orchestration.runtime.addresses import find_board_url
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.dbt_models import DbtEvent, Translator, load_manifest
from orchestration.runtime.dbt_models import build_models as run_dbt
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import (
    CheckEvent,
    CheckOutcome,
    Materialized,
    Metadata,
    Shown,
    check_nights,
    list_run_nights,
    show_nights,
    show_table,
)
from orchestration.runtime.partitions import RANGE
from orchestration.runtime.progress import Progress, iterate_nights
from orchestration.settings import Settings
from orchestration.stages.evaluate import list_score_keys

GROUP = "report"
REPORTS = dg.AssetKey("reports")
GATE = "release_gate"
ARRIVED = "traces_arrived"
RELEASES = dg.AssetKey("releases")
RELEASABLE = "may_release"
PROMISES = {
    GATE: "No application regressed; nobody is alarmed before a night is final.",
    ARRIVED: "Every application that was due has traces.",
}
"""What the checks of `reports` promise."""
QUALITY_MODELS = "quality_models"


class ReportRow(NamedTuple):
    """A report as a row of a table."""

    night: str
    app: str
    version: str
    verdict: str
    gate: str
    sentence: str
    lowest_rate: float | None
    """The lowest pass rate over all traces of the evaluators that gate."""
    page: str
    """Where `andon ui` serves it."""
    file: str
    provisional: str
    """Until when more traces are expected; empty for a final night."""


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    return [
        build_marts(deployment),
        build_reports(deployment),
        build_board(deployment),
        build_releases(deployment),
    ]


def build_marts(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the assets of the dbt models over scores."""
    settings = deployment.settings

    @dbt_assets(
        manifest=load_manifest(),
        selector="quality",
        name=QUALITY_MODELS,
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        dagster_dbt_translator=Translator(GROUP, list_score_keys(deployment)),
    )
    def quality_models(context: dg.AssetExecutionContext) -> Iterator[DbtEvent]:
        """Scores, agreement and rates by slice, joined and counted in SQL."""
        lake, nights = settings.open_lake(), list_run_nights(context)
        Progress.report("building rates with dbt", 0, len(nights))
        path = pipeline.fill_warehouse(lake, settings.load_catalog(), context.run.run_id, nights)
        yield from run_dbt(context, path)
        marts.publish_marts(lake, context.run.run_id, nights, marts.QUALITY_MARTS)

    return quality_models


def declare_checks(deployment: Deployment) -> list[dg.AssetCheckSpec]:
    """Declares the checks of a night's reports."""
    nights = deployment.nights
    return [
        dg.AssetCheckSpec(name, asset=REPORTS, description=promise, partitions_def=nights)
        for name, promise in PROMISES.items()
    ]


def build_reports(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset of the nights' reports."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "html", "json"},
        owner=QUALITY,
        apps=deployment.catalog.apps,
        pii=True,
        nights=deployment.nights,
        deps=[
            "rpt_rates",
            "rpt_failures",
            "rpt_provenance",
            "rpt_statuses",
            "rpt_guard_audit",
            "rpt_topics",
            "rpt_cause_rates",
            "rpt_strata",
            "fct_agreement",
            "fct_disagreements",
        ],
        check_specs=declare_checks(deployment),
    )
    def reports(context: dg.AssetExecutionContext) -> Iterator[Materialized | CheckEvent]:
        """One versioned report per night × application, kept for ever."""
        lake, nights = settings.open_lake(), list_run_nights(context)
        rows = {
            night: report_night(settings, lake, night, context.run.run_id)
            for night in iterate_nights("reporting", nights)
        }
        final = pipeline.close_nights(lake, datetime.now(UTC))
        delete_run_folder(lake, context.run.run_id)
        show_nights(context, {night: describe_night(lake, own) for night, own in rows.items()})
        yield dg.MaterializeResult()
        outcomes = {night: check_gate(night, own, final) for night, own in rows.items()}
        yield from check_nights(context, REPORTS, GATE, outcomes)
        yield from check_nights(context, REPORTS, ARRIVED, check_arrivals(settings, lake, nights))
        yield from report_other_nights(final, nights)

    return reports


def check_arrivals(
    settings: Settings, lake: Lake, nights: Sequence[date]
) -> dict[date, CheckOutcome]:
    """Whether each night has traces of every application that was due."""
    missing = find_missing_nights(lake, settings.load_catalog(), datetime.now(UTC))
    outcomes: dict[date, CheckOutcome] = {}
    for night in nights:
        rows = [{"app": m.app, "missing": m.describe()} for m in missing if m.date == night]
        outcomes[night] = CheckOutcome(
            not rows, dg.AssetCheckSeverity.WARN, {"missing": show_table(rows)}
        )
    return outcomes


def report_night(settings: Settings, lake: Lake, night: date, run_id: str) -> list[ReportRow]:
    """Writes a night's reports; one row each."""
    now = datetime.now(UTC)
    stamp = {"run_id": run_id, "reported_at": now.isoformat()} | pin_checks.describe_expiring(
        settings
    )
    rows: list[ReportRow] = []
    for report, folder in assembly.write_night_reports(lake, settings.load_catalog(), night, stamp):
        until = night_state.find_provisional_until(lake, night, report.app, now)
        rows.append(describe_report(lake, report, folder, until or ""))
    return rows


def describe_report(lake: Lake, report: Report, folder: Path, until: str) -> ReportRow:
    """Describes a report as a row: its verdict, its page and file, and until when it may change."""
    rates = [
        row.rate
        for row in report[results.SECTION]
        if row.is_whole and row.decides and row.rate is not None
    ]
    return ReportRow(
        night=report.date.isoformat(),
        app=report.app,
        version=report.version,
        verdict=report.verdict,
        gate=report.gate.outcome,
        sentence=report.sentence,
        lowest_rate=min(rates, default=None),
        page=f"{find_board_url(lake)}/{quote('/'.join(folder.parts[-3:]))}/index.html",
        file=str(folder / "index.html"),
        provisional=until,
    )


def describe_night(lake: Lake, rows: Sequence[ReportRow]) -> Metadata:
    """Describes a night's reports as its partition shows them: numbers, and links to its pages."""
    rates = [row.lowest_rate for row in rows if row.lowest_rate is not None]
    pages: dict[str, Shown] = {f"page/{row.app}": dg.MetadataValue.url(row.page) for row in rows}
    files: dict[str, Shown] = {f"file/{row.app}": dg.PathMetadataValue(row.file) for row in rows}
    return {
        "reports": len(rows),
        "regressed": sum(row.gate == "regressed" for row in rows),
        **({"lowest_rate": min(rates)} if rates else {}),
        **pages,
        **files,
        "board": dg.MetadataValue.url(f"{find_board_url(lake)}/index.html"),
        "by_application": show_table([row._asdict() for row in rows]),
    }


def check_gate(night: date, rows: Sequence[ReportRow], final: Sequence[FinalNight]) -> CheckOutcome:
    """Checks the release gate of a night, which fails if an application regressed and it is final.

    Args:
        night: the night.
        rows: its reports.
        final: the nights that have just become final.
    """
    regressed = [
        {"night": row.night, "app": row.app, "gate": row.gate, "sentence": row.sentence}
        for row in rows
        if row.gate == "regressed" and not row.provisional
    ]
    regressed += [
        describe_final(row) for row in final if row.date == night and row.gate == "regressed"
    ]
    shown = show_table(regressed)
    return CheckOutcome(not regressed, dg.AssetCheckSeverity.WARN, {"regressed": shown})


def report_other_nights(
    final: Sequence[FinalNight], nights: Sequence[date]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Fails the gate of each regressed night that became final during a run over other nights."""
    for row in final:
        if row.date not in nights and row.gate == "regressed":
            yield dg.AssetCheckEvaluation(
                asset_key=REPORTS,
                check_name=GATE,
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"regressed": show_table([describe_final(row)])},
                partition=row.date.isoformat(),
            )


def describe_final(final: FinalNight) -> dict[str, str]:
    """Describes a night that has become final as a row of a table."""
    night = final.date.isoformat()
    return {"night": night, "app": final.app, "gate": final.gate, "sentence": final.sentence}


def build_releases(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset that a team's own assets, such as a deployment, may wait for."""
    settings, nights = deployment.settings, deployment.nights
    check = dg.AssetCheckSpec(
        RELEASABLE,
        asset=RELEASES,
        description="No application regressed; blocks where the gate of one is `blocking`.",
        partitions_def=nights,
        blocking=any(app.gate.blocking for app in deployment.catalog.apps.values()),
    )

    @declare_asset(
        GROUP, {"python"}, owner=QUALITY, nights=nights, deps=[REPORTS], check_specs=[check]
    )
    def releases(context: dg.AssetExecutionContext) -> Iterator[Materialized | CheckEvent]:
        """One row per night × application: the outcome of its gate."""
        lake, catalog = settings.open_lake(), settings.load_catalog()
        now, run_nights = datetime.now(UTC), list_run_nights(context)
        rows = {night: list_outcomes(lake, night, now) for night in run_nights}
        show_nights(context, {night: {"gates": show_table(own)} for night, own in rows.items()})
        yield dg.MaterializeResult()
        blocking = {name for name, app in catalog.apps.items() if app.gate.blocking}
        outcomes = {night: check_release(own, blocking) for night, own in rows.items()}
        yield from check_nights(context, RELEASES, RELEASABLE, outcomes, newest=True)

    return releases


def list_outcomes(lake: Lake, night: date, now: datetime) -> list[dict[str, str]]:
    """Lists the outcome of each application's gate; a provisional night never regressed."""
    rows = list[dict[str, str]]()
    for app, version in sorted(night_state.read_state(lake, night).reports.items()):
        report = read_report(lake, night, app, version)
        until = night_state.find_provisional_until(lake, night, app, now)
        gate = report.gate.outcome if report else "infrastructure"
        gate = "inconclusive" if until and gate == "regressed" else gate
        sentence = report.sentence if report else "its report cannot be read"
        rows.append({"night": night.isoformat(), "app": app, "gate": gate, "sentence": sentence})
    return rows


def check_release(rows: Sequence[Mapping[str, str]], blocking: Collection[str]) -> CheckOutcome:
    """Checks whether what a night's reports are about may be released.

    Args:
        rows: the outcomes of its gates.
        blocking: the applications whose gate stops what is downstream.
    """
    regressed = [row for row in rows if row["gate"] == "regressed"]
    blocked = any(row["app"] in blocking for row in regressed)
    severity = dg.AssetCheckSeverity.ERROR if blocked else dg.AssetCheckSeverity.WARN
    return CheckOutcome(not regressed, severity, {"regressed": show_table(regressed)})


def build_board(deployment: Deployment) -> dg.AssetsDefinition:
    """Builds the asset of the board."""
    settings = deployment.settings

    @declare_asset(GROUP, {"html"}, owner=QUALITY, deps=[REPORTS])
    def board(context: dg.AssetExecutionContext) -> Materialized:
        """One page over all nights and applications, and the warehouse of views beside it."""
        lake = settings.open_lake()
        catalog = settings.load_catalog()
        pipeline.record_missing_nights(lake, catalog, datetime.now(UTC))
        renewed = renew_dependent_reports(lake, catalog, datetime.now(UTC), Progress.report)
        board_pages.write_cost(lake, catalog)
        path = board_pages.write_board(lake, pin_checks.describe_expiring(settings))
        marts.rebuild_warehouse(lake)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.url(f"{find_board_url(lake)}/index.html"),
                "file": dg.PathMetadataValue(str(path)),
                "renewed_reports": len(renewed),
            }
        )

    return board
