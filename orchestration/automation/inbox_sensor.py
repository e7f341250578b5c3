"""The sensor of the inbox: new files are read, then the nights they concern are run.

A file is read by the same asset as ever; which nights are due is `evals.runs.night_locks`' to say.
"""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from evals import pipeline
from evals.ingest.inbox import list_inbox
from evals.readable import make_name_readable
from evals.records import digest
from evals.runs import night_locks
from evals.sources import locations
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.inbox_stamps import FileStamp, read_stamps
from evals.storage.lake import Lake
from orchestration.automation.jobs import NIGHTLY
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.run_tags import range_tags
from orchestration.settings import Settings

SETTLED_S = 10
"""A file changed less long ago may still be written."""
STALE = timedelta(hours=12)
"""A run that began longer ago and has no end died with its machine: it is not waited for."""
READ = dg.define_asset_job(
    "read_inbox",
    selection=dg.AssetSelection.assets("inbox_files"),
    description="What is new in the inbox, read and staged by night.",
)


class Found(NamedTuple):
    """A file of the inbox as it was seen."""

    name: str
    stamp: str
    settled: bool
    read: bool


class Due(NamedTuple):
    """A range of nights without a gap that has something to do, and on what that rests."""

    first: date
    last: date
    basis: str


def asked_for(cursor: str | None, found: list[Found], due: list[Due], hour: str) -> dg.SensorResult:
    """What to start: a reading for each new set of files, then a run for each range of nights.

    A run key names what a run is about and the hour, so that nothing is started twice for it, and
    what a run left to do (it died, a provider was down) is started again an hour later.
    """
    new = [file for file in found if not file.read]
    key = digest([hour, *sorted((file.name, file.stamp) for file in new)])
    if unsettled := next((file.name for file in new if not file.settled), None):
        return dg.SensorResult(skip_reason=f"{unsettled} is still being written")
    if new and key != cursor:
        start = dg.RunRequest(run_key=f"files-{key}", job_name=READ.name)
        return dg.SensorResult(run_requests=[start], cursor=key)
    if due:
        return dg.SensorResult(run_requests=[request(one, hour) for one in due], cursor=cursor)
    why = f"nothing new in the inbox; {len(found)} files were read"
    return dg.SensorResult(skip_reason=why, cursor=cursor)


def request(one: Due, hour: str) -> dg.RunRequest:
    """A run over a range of nights."""
    tags = range_tags(one.first, one.last)
    key = f"nights-{one.first.isoformat()}-{one.last.isoformat()}-{one.basis}-{hour}"
    return dg.RunRequest(run_key=key, job_name=NIGHTLY.name, tags=tags)


def files(here: Settings, lake: Lake, now: float) -> list[Found]:
    """The files of the inbox and of the home's own, by what is known of them without opening one.

    An inbox in an object store is listed; what changed there is new until it was fetched.
    """
    stamps = read_stamps(lake)
    known = lake.inbox_files()
    where = here.inbox or here.catalog().inbox
    found = [file_at(path, stamps, known, now) for path in list_inbox(lake.raw_folder())]
    if isinstance(where, str) and locations.is_remote(where):
        return found + [
            Found(*one, settled=True, read=False) for one in locations.list_changed(lake, where)
        ]
    return found + [file_at(path, stamps, known, now) for path in list_inbox(where)]


def file_at(path: Path, stamps: dict[str, FileStamp], known: Any, now: float) -> Found:
    """A file of this machine as it stands."""
    stat = path.stat()
    held = stamps.get(str(path.absolute()))
    same = held and (held.size, held.changed_ns) == (stat.st_size, stat.st_mtime_ns)
    read = bool(held and same and held.sha256 in known)
    stamp = f"{stat.st_size} {stat.st_mtime_ns}"
    return Found(make_name_readable(str(path)), stamp, now - stat.st_mtime > SETTLED_S, read)


def due(lake: Lake, catalog: Catalog, now: datetime) -> list[Due]:
    """The ranges of nights with something to do."""
    begun = night_locks.list_begun_nights(lake, catalog, now)
    pending = pipeline.find_due_nights(lake, catalog, begun)
    return [
        Due(
            first,
            last,
            digest(
                [night_locks.digest_inputs(lake, catalog, n) for n in pending if first <= n <= last]
            ),
        )
        for first, last in night_state.consecutive(pending)
    ]


def under_way(instance: dg.DagsterInstance) -> bool:
    """Whether a reading or a nightly run has begun and not ended."""
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
    """The sensor of the inbox; a person switches it on."""
    here = deployment.settings

    @dg.sensor(name="inbox", jobs=[READ, NIGHTLY], minimum_interval_seconds=60)
    def inbox(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """New files in the inbox start a reading of them, and then the nights they concern."""
        if under_way(context.instance):
            return dg.SensorResult(skip_reason="a run is under way", cursor=context.cursor)
        lake = here.lake()
        found, now = files(here, lake, time.time()), datetime.now(UTC)
        pending = due(lake, here.catalog(), now)
        return asked_for(context.cursor, found, pending, now.strftime("%Y-%m-%dT%H"))

    return inbox
