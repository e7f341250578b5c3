"""The sensor of labels: it starts a run that adds the labels files that changed.

Which nights they change is recorded by the import; the sensor `inbox` and the schedule run those.
"""

import json
import time

import dagster as dg

from evals.labels.label_files import list_label_files
from evals.readable import make_name_readable
from evals.records import digest
from orchestration.runtime.deployment import Deployment
from orchestration.settings import Settings

QUIET_S = 10
"""A file that changed in the last ten seconds may be incomplete."""
ADD = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
    "add_labels",
    selection=dg.AssetSelection.assets("labels"),
    description="Adds the labels files that are new or changed.",
)


def request_import(
    cursor: str | None, stamps: dict[str, tuple[int, int]], now: float
) -> dg.SensorResult:
    """Requests a run where the files are others than at the last one.

    Args:
        cursor: the digest of the files of the last run.
        stamps: the size and the time in nanoseconds of each file.
        now: the present, in seconds.
    """
    fresh = [name for name, (_, changed) in stamps.items() if now - changed / 1e9 < QUIET_S]
    if fresh:
        return dg.SensorResult(skip_reason=f"{fresh[0]} is still being written", cursor=cursor)
    key = digest(json.dumps(stamps, sort_keys=True))
    if not stamps or key == cursor:
        return dg.SensorResult(
            skip_reason=f"{len(stamps)} files of labels, none new", cursor=cursor
        )
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"labels-{key}")], cursor=key)


def list_stamps(settings: Settings) -> dict[str, tuple[int, int]]:
    """Lists the labels files of the settings and of the catalog, without opening any."""
    paths = list_label_files((*settings.load_catalog().label_files, *settings.labels))
    stats = {make_name_readable(str(path)): path.stat() for path in paths if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """Builds the sensor of labels, which is off until a person switches it on."""
    settings = deployment.settings

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
        name="label_files", job=ADD, minimum_interval_seconds=60
    )
    def label_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Starts a run that adds the labels files that are new or changed."""
        return request_import(context.cursor, list_stamps(settings), time.time())

    return label_files
