"""Makes the states of nights again from their reports, and evaluator versions from the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from evals.evaluators import resolution
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.damage import report, set_aside
from evals.storage.documents.evaluator_specs import (
    name_document,
    read_evaluator,
    write_evaluator,
)
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.report_files import (
    ReportVersion,
    list_reports,
    order_versions,
    read_intact_report,
    read_written_at,
)


def mend_nights(lake: Lake) -> Iterator[str]:
    """Makes damaged and missing states again; yields a sentence for each that cannot be."""
    stored = set(night_state.list_stored_nights(lake))
    for night in sorted(stored):
        path = lake.store.path(f"{night_state.FOLDER}/{night}.json")
        try:
            night_state.read_state(lake, night)
        except DamagedFileError:
            set_aside(path, "it is made again from the night's reports")
            restore_state(lake, night)
    for night in sorted({version.night for version in list_reports(lake)} - stored):
        path = lake.store.path(f"{night_state.FOLDER}/{night}.json")
        report(f"{path} is missing; it is made again from the night's reports")
        restore_state(lake, night)
    yield from ()


def restore_state(lake: Lake, night: date) -> None:
    """Restores the locks and the current versions of a night, which is due then."""
    apps = sorted({version.app for version in list_reports(lake) if version.night == night})
    versions: dict[str, str] = {}
    locks: dict[str, dict[str, str]] = {}
    samples: dict[str, dict[str, dict[str, Any]]] = {}
    first = ""
    for app in apps:
        for version in order_versions(lake, night, app):
            stored = ReportVersion(night, app, version)
            body = read_intact_report(lake, stored)
            if body is None:
                continue
            versions[app] = version
            locks[app] = read_locks(body)
            written = read_written_at(lake, stored)
            first = min(first or written, written)
        samples[app] = {
            name: sampling
            for name, version in locks.get(app, {}).items()
            if (sampling := read_sampling(lake, name, app, version)) is not None
        }
    night_state.update_state(
        lake,
        night,
        reports=versions,
        evaluators={app: own for app, own in locks.items() if own},
        samples=samples,
        seen="",
        on_time=tuple(list_on_time(lake, night, first)),
    )


def read_locks(body: Any) -> dict[str, str]:
    """Reads the evaluator versions of a stored report."""
    used = body["provenance"]["evaluators"]
    return {row["name"]: row["version"] for row in used}


def read_sampling(lake: Lake, name: str, app: str, version: str) -> dict[str, Any] | None:
    """Reads the sampling rule of a stored evaluator; None if it cannot be read."""
    try:
        return read_evaluator(lake, name, app, version).sampling()
    except DamagedFileError:
        return None


def list_on_time(lake: Lake, night: date, reported_at: str) -> list[str]:
    """Lists the inbox files of a night that were read before its first report."""
    seen = {sha[:16]: file.seen for sha, file in read_inbox_files(lake).items()}
    sources = night_state.list_staged_sources(lake, night)
    return [sha for sha in sources if not reported_at or seen.get(sha, "") <= reported_at]


def mend_evaluators(lake: Lake, catalog: Catalog) -> Iterator[str]:
    """Writes damaged evaluators again from the catalog; yields a sentence for the others."""
    locked = {
        (name, app, version)
        for night in night_state.list_stored_nights(lake)
        for app, own in night_state.read_state(lake, night).evaluators.items()
        for name, version in own.items()
    }
    for name, app, version in sorted(locked):
        try:
            read_evaluator(lake, name, app, version)
        except DamagedFileError as error:
            path: Path = lake.store.path(name_document(name, app, version))
            current = {} if app in catalog.broken else index_evaluators(catalog, app)
            if (name, version) not in current:
                yield str(error)
                continue
            if path.exists():
                set_aside(path, "it is written again from the catalog")
            else:
                report(f"{path} is missing; it is written again from the catalog")
            write_evaluator(lake, current[name, version])


def index_evaluators(catalog: Catalog, app: str) -> dict[tuple[str, str], Any]:
    """Returns the catalog's evaluators of an application by name and version."""
    return {(one.name, one.version): one for one in resolution.resolve_app(catalog, app)}
