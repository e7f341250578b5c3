"""The sensor of nights that become final: it takes their mark off, and raises the alarm held back.

What makes a night final is `evals.reports.finalize`'s to say; nothing is run.
"""

from datetime import UTC, datetime

import dagster as dg

from evals import pipeline
from evals.reports.finalize import Final
from orchestration.runtime.metadata import table
from orchestration.settings import settings
from orchestration.stages.report import GATE, REPORTS, said
from orchestration.stages.validate import TRACES

EVERY_S = 300


def alarms(final: list[Final]) -> list[dg.AssetCheckEvaluation]:
    """What is said of nights that have just become final: regressed, or refused at the door."""
    found = []
    regressed = [said(one) for one in final if one.gate == "regressed"]
    refused = [said(one) for one in final if one.refused]
    severities = (dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR)
    checks = ((REPORTS, GATE, regressed), (TRACES, "night_admitted", refused))
    for severity, (key, name, rows) in zip(severities, checks, strict=True):
        if rows:
            shown = {"became_final": table(rows)}
            found.append(
                dg.AssetCheckEvaluation(
                    asset_key=key, check_name=name, passed=False, severity=severity, metadata=shown
                )
            )
    return found


@dg.sensor(
    name="nights_final",
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def nights_final(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """A night whose lateness has passed is final: only now may it alarm somebody."""
    final = pipeline.close_nights(settings().lake(), datetime.now(UTC))
    why = ", ".join(f"{one.date} {one.app}: {one.gate}" for one in final)
    return dg.SensorResult(
        skip_reason=f"final now: {why}" if why else "no night became final",
        asset_events=alarms(final),
    )
