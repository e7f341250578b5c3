"""The sensors of the digest: messages about nights, and the heartbeat of the nightly job.

What is sent is decided in `evals.digests`, which `andon nightly` calls as well; no run is started.
"""

from datetime import UTC, datetime

import dagster as dg

from evals import pipeline
from evals.digests.sending import Limits
from orchestration.automation.jobs import NIGHTLY
from orchestration.runtime.deployment import Deployment

EVERY_S = 300
WITHIN_A_TICK = Limits(tries=1, seconds=30)
"""Dagster ends a tick after a minute; the next tick is the next try."""


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """Builds the sensor that sends the messages that are due."""
    settings = deployment.settings

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
        name="digests",
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def digests(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Sends one message about each night of each application, once it is final or missing."""
        catalog = settings.load_catalog()
        if not catalog.digest.targets:
            return dg.SkipReason("the catalog has no digest.targets")
        run = pipeline.send_digests(settings.open_lake(), catalog, datetime.now(UTC), WITHIN_A_TICK)
        for failure in run.failures:
            context.log.warning(failure)
        sent = "1 message sent" if run.sent == 1 else f"{run.sent} messages sent"
        return dg.SkipReason("; ".join([sent, *run.failures]))

    return digests


def build_heartbeat(deployment: Deployment) -> dg.SensorDefinition:
    """Builds the sensor that requests the heartbeat."""
    settings = deployment.settings

    @dg.run_status_sensor(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="heartbeat",
        monitored_jobs=[NIGHTLY],
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def heartbeat(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        """Requests the catalog's heartbeat after each run of the nightly job that succeeded."""
        catalog = settings.load_catalog()
        if catalog.digest.heartbeat is None:
            return dg.SkipReason("the catalog has no digest.heartbeat")
        return dg.SkipReason(pipeline.send_heartbeat(catalog) or "requested")

    return heartbeat
