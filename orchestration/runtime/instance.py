"""The Dagster instance of a home: its folder and settings, telemetry off.

Runs are started by `cli.launch`, the schedule and the sensors.
"""

import os
from pathlib import Path

import yaml

from evals.storage.damage import set_aside
from evals.storage.files import replace
from evals.storage.lake import Lake
from evals.storage.sqlite_files import is_intact, set_aside_database

SETTINGS = """telemetry: {enabled: false}
nux: {enabled: false}
run_retries: {enabled: false}
# Two runs side by side fit one machine. Calls need no pool: their pace and the day's budget are
# kept for all runs together in the home, those of the command line among them.
concurrency:
  runs:
    max_concurrent_runs: 2
    tag_concurrency_limits:
      - {key: dagster/backfill, limit: 1}
# A run whose process died with its machine is failed after a day and not shown as running for ever.
run_monitoring: {enabled: true, max_runtime_seconds: 86400}
event_log_storage:
  module: orchestration.runtime.event_log
  class: EventLog
  config: {home: {env: DAGSTER_HOME}}
"""
EVENT_BATCH = "1000"
"""Events Dagster gathers before it writes them, where it knows that more come at once."""


def is_configured(path: Path) -> bool:
    """Whether the settings exist; sets a damaged file aside."""
    try:
        if isinstance(yaml.safe_load(path.read_bytes()), dict):
            return True
    except FileNotFoundError:
        return False
    except (yaml.YAMLError, ValueError):
        pass
    set_aside(path)
    return False


def make_dagster_home(home: Path) -> Path:
    """Makes the Dagster instance's folder once, with telemetry off, and returns it."""
    folder = Lake(home).make_folder("dagster")
    for database in folder.rglob("*.db"):
        if not is_intact(database):
            set_aside_database(database)
    if not is_configured(folder / "dagster.yaml"):
        replace(folder / "dagster.yaml", SETTINGS.encode())
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH)
    return folder
