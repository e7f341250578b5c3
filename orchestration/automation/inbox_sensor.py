"""The sensor of the inbox: it starts a run that reads new files, then runs of the nights due.

The asset `inbox_files` reads the files; `evals.runs.night_locks` decides which nights are due.
"""

import time
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from evals import pipeline
from evals.ingest.inbox import list_inbox
from evals.readable import make_name_readable
from evals.records import digest
from evals.runs import night_locks
from evals.sources import locations
from evals.specs import Catalog
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.inbox_stamps import FileStamp, read_stamps
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from orchestration.automation.jobs import NIGHTLY
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.run_tags import build_range_tags
from orchestration.settings import Settings

QUIET_S = 10
"""A file that changed in the last ten seconds may be incomplete."""
STALE = timedelta(hours=12)
"""A run that started earlier and has not ended is taken for dead; the sensor does not wait."""
READ = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
    "read_inbox",
    selection=dg.AssetSelection.assets("inbox_files"),
    description="Reads what is new in the inbox and stages it by night.",
)


class InboxFile(NamedTuple):
    """A file of the inbox."""

    name: str
    stamp: str
    is_complete: bool
    """Whether it has not changed for some seconds."""
    is_read: bool


class DueRange(NamedTuple):
    """A range of consecutive nights that are due."""

    first: date
    last: date
    basis: str
    """A digest of what makes them due."""


def request_runs(
    cursor: str | None, files: list[InboxFile], due: list[DueRange], hour: str
) -> dg.SensorResult:
    """Requests a run that reads each new set of files, then one for each range of due nights.

    A run key contains the digest of the work and the hour: nothing is started twice within an
    hour, and what a run left undone (it died, a provider was down) is started again after it.
    """
    new = [file for file in files if not file.is_read]
    key = digest([hour, *sorted((file.name, file.stamp) for file in new)])
    if incomplete := next((file.name for file in new if not file.is_complete), None):
        return dg.SensorResult(skip_reason=f"{incomplete} is still being written")
    if new and key != cursor:
        start = dg.RunRequest(run_key=f"files-{key}", job_name=READ.name)
        return dg.SensorResult(run_requests=[start], cursor=key)
    if due:
        return dg.SensorResult(
            run_requests=[request_nights(nights, hour) for nights in due], cursor=cursor
        )
    why = f"nothing new in the inbox; {len(files)} files were read"
    return dg.SensorResult(skip_reason=why, cursor=cursor)


def request_nights(nights: DueRange, hour: str) -> dg.RunRequest:
    """Requests a run over a range of nights."""
    tags = build_range_tags(nights.first, nights.last)
    key = f"nights-{nights.first.isoformat()}-{nights.last.isoformat()}-{nights.basis}-{hour}"
    return dg.RunRequest(run_key=key, job_name=NIGHTLY.name, tags=tags)


def list_files(settings: Settings, lake: Lake, now: float) -> list[InboxFile]:
    """Lists the files of the inbox and of the home's raw folder, without opening any.

    An inbox in an object store is listed; what changed there is new until it is fetched.
    """
    stamps = read_stamps(lake)
    imported = read_inbox_files(lake).keys()
    inbox = settings.inbox or settings.load_catalog().inbox
    files = [
        inspect_file(path, stamps, imported, now) for path in list_inbox(lake.make_inbox_folder())
    ]
    if isinstance(inbox, str) and locations.is_remote(inbox):
        return files + [
            InboxFile(*changed, is_complete=True, is_read=False)
            for changed in locations.list_changed(lake, inbox)
        ]
    return files + [inspect_file(path, stamps, imported, now) for path in list_inbox(inbox)]


def inspect_file(
    path: Path, stamps: Mapping[str, FileStamp], imported: Collection[str], now: float
) -> InboxFile:
    """Checks whether a local file is complete, and whether its current content was imported."""
    stat = path.stat()
    last = stamps.get(str(path.absolute()))
    is_same = last and (last.size, last.changed_ns) == (stat.st_size, stat.st_mtime_ns)
    is_read = bool(last and is_same and last.sha256 in imported)
    stamp = f"{stat.st_size} {stat.st_mtime_ns}"
    return InboxFile(make_name_readable(str(path)), stamp, now - stat.st_mtime > QUIET_S, is_read)


def list_due_ranges(lake: Lake, catalog: Catalog, now: datetime) -> list[DueRange]:
    """Lists the ranges of nights that are due and can share a run."""
    begun = night_locks.list_begun_nights(lake, catalog, now)
    try:
        pending = pipeline.find_due_nights(lake, catalog, begun)
    except DamagedFileError:
        pipeline.mend_home(lake, catalog)
        pending = pipeline.find_due_nights(lake, catalog, begun)
    return [
        DueRange(
            first,
            last,
            digest(
                [night_locks.digest_inputs(lake, catalog, n) for n in pending if first <= n <= last]
            ),
        )
        for first, last in pipeline.group_runs(lake, catalog, pending)
    ]


def is_running(instance: dg.DagsterInstance) -> bool:
    """Whether a run of `read_inbox` or `nightly` has started and not ended."""
    statuses = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]
    since = datetime.now(UTC) - STALE
    return any(
        instance.get_runs(
            dg.RunsFilter(job_name=job, statuses=statuses, created_after=since), limit=1
        )
        for job in (READ.name, NIGHTLY.name)
    )


def build_sensor(deployment: Deployment) -> dg.SensorDefinition:
    """Builds the sensor of the inbox, which is off until a person switches it on."""
    settings = deployment.settings

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType]  # Dagster's types are open
        name="inbox", jobs=[READ, NIGHTLY], minimum_interval_seconds=60
    )
    def inbox(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Starts a run that reads new files of the inbox, and then runs of the nights due."""
        if is_running(context.instance):
            return dg.SensorResult(skip_reason="a run is under way", cursor=context.cursor)
        lake = settings.open_lake()
        files, now = list_files(settings, lake, time.time()), datetime.now(UTC)
        due = list_due_ranges(lake, settings.load_catalog(), now)
        return request_runs(context.cursor, files, due, now.strftime("%Y-%m-%dT%H"))

    return inbox
