"""The sensor of nights that become final: it takes their mark off, and raises the alarm held back.

What makes a night final is in `evals.reports.finalize`; nothing is run.
"""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from evals import pipeline
from evals.reports.finalize import Final
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.metadata import table
from orchestration.stages.report import GATE, REPORTS, final_row
from orchestration.stages.validate import ADMITTED, TRACES

EVERY_S = 300


def alarms(final: list[Final]) -> list[dg.AssetCheckEvaluation]:
    """The alarms of nights that have just become final: regressed, or refused at validation."""
    regressed = [one for one in final if one.gate == "regressed"]
    refused = [one for one in final if one.refused]
    return [
        *alarm_nights(regressed, REPORTS, GATE, dg.AssetCheckSeverity.WARN),
        *alarm_nights(refused, TRACES, ADMITTED, dg.AssetCheckSeverity.ERROR),
    ]


def alarm_nights(
    final: list[Final], key: dg.AssetKey, check: str, severity: dg.AssetCheckSeverity
) -> list[dg.AssetCheckEvaluation]:
    """One failed check a night."""
    by_night: dict[date, list[dict[str, Any]]] = {}
    for one in final:
        by_night.setdefault(one.date, []).append(final_row(one))
    return [
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=check,
            passed=False,
            severity=severity,
            metadata={"became_final": table(rows)},
            partition=night.isoformat(),
        )
        for night, rows in sorted(by_night.items())
    ]


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """The sensor that closes nights."""
    here = deployment.settings

    @dg.sensor(
        name="nights_final",
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def nights_final(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """A night whose lateness has passed is final: only now may it alarm somebody."""
        final = pipeline.close_nights(here.lake(), datetime.now(UTC))
        why = ", ".join(f"{one.date} {one.app}: {one.gate}" for one in final)
        return dg.SensorResult(
            skip_reason=f"final now: {why}" if why else "no night became final",
            asset_events=alarms(final),
        )

    return nights_final
