"""The sensor of nights that become final: it finalizes them and raises their alarms.

What makes a night final is in `evals.reports.finalize`; no run is started.
"""

from datetime import UTC, date, datetime

import dagster as dg

from evals import pipeline
from evals.reports.finalize import FinalNight
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.metadata import show_table
from orchestration.stages.report import GATE, REPORTS, describe_final
from orchestration.stages.validate import ADMITTED, TRACES

EVERY_S = 300


def build_alarms(final: list[FinalNight]) -> list[dg.AssetCheckEvaluation]:
    """Builds failed checks of nights that have become final and regressed or were refused."""
    regressed = [row for row in final if row.gate == "regressed"]
    refused = [row for row in final if row.refused]
    return [
        *build_failed_checks(regressed, REPORTS, GATE, dg.AssetCheckSeverity.WARN),
        *build_failed_checks(refused, TRACES, ADMITTED, dg.AssetCheckSeverity.ERROR),
    ]


def build_failed_checks(
    final: list[FinalNight], key: dg.AssetKey, check: str, severity: dg.AssetCheckSeverity
) -> list[dg.AssetCheckEvaluation]:
    """Builds one failed check per night."""
    by_night: dict[date, list[dict[str, str]]] = {}
    for row in final:
        by_night.setdefault(row.date, []).append(describe_final(row))
    return [
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=check,
            passed=False,
            severity=severity,
            metadata={"became_final": show_table(rows)},
            partition=night.isoformat(),
        )
        for night, rows in sorted(by_night.items())
    ]


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """Builds the sensor that finalizes nights."""
    settings = deployment.settings

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
        name="nights_final",
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def nights_final(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Finalizes nights that get no more late traces; only now may they raise alarms."""
        final = pipeline.close_nights(settings.open_lake(), datetime.now(UTC))
        why = ", ".join(f"{row.date} {row.app}: {row.gate}" for row in final)
        return dg.SensorResult(
            skip_reason=f"final now: {why}" if why else "no night became final",
            asset_events=build_alarms(final),
        )

    return nights_final
