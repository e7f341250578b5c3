"""The Dagster instance of a home: its folder and settings, telemetry off.

Runs are started by `cli.launch`, the schedule and the sensors.
"""

import os
from pathlib import Path

from evals.storage.files import replace

SETTINGS = """telemetry: {enabled: false}
nux: {enabled: false}
run_retries: {enabled: false}
event_log_storage:
  module: orchestration.runtime.event_log
  class: EventLog
  config: {home: {env: DAGSTER_HOME}}
"""
EVENT_BATCH = "1000"
"""Events Dagster gathers before it writes them, where it knows that more come at once."""


def dagster_home(home: Path) -> Path:
    """The Dagster instance's folder, made once, with telemetry off."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        replace(folder / "dagster.yaml", SETTINGS.encode())
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH)
    return folder
