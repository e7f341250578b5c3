"""The pages people open: reports by night, application and version, the board, Data Docs.

`evals.reports` builds what is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.records import Json, JsonLike, encode_canonical
from evals.storage.files import replace
from evals.storage.lake import Lake, require_safe_name
from evals.storage.night_state import list_stored_nights, read_state

REPORTS, DATA_DOCS = "reports", "data_docs"
PAGE = "index.html"


class ReportVersion(NamedTuple):
    """One version of a report."""

    night: date
    app: str
    version: str


def write_report(
    lake: Lake, night: date, body: Mapping[str, Json], page: str, run: JsonLike
) -> Path:
    """Writes a report's version; writing the same version again replaces only its page."""
    app, version = str(body["app"]), str(body["version"])
    folder = locate_report_folder(lake, night, app) / require_safe_name(version)
    if not (folder / "report.json").exists():
        replace(folder / "report.json", encode_canonical(body) + b"\n")
        replace(folder / "run.json", encode_canonical(run) + b"\n")
    write_page(lake, night, app, version, page)
    return folder


def write_page(lake: Lake, night: date, app: str, version: str, page: str) -> None:
    """Replaces the page of a report's version."""
    folder = locate_report_folder(lake, night, app) / require_safe_name(version)
    replace(folder / PAGE, page.encode("utf-8", "replace"))


def locate_report_folder(lake: Lake, night: date, app: str) -> Path:
    """Returns the folder with the versions of an application's night."""
    return lake.store.path(f"{REPORTS}/{night:%Y-%m-%d}/{require_safe_name(app)}")


def read_report(lake: Lake, night: date, app: str, version: str) -> dict[str, Json] | None:
    """Reads one version of a report; None if missing."""
    path = locate_report_folder(lake, night, app) / version / "report.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def read_current_reports(lake: Lake) -> list[dict[str, Json]]:
    """Reads the current version of every application's every night, oldest first."""
    bodies = (
        read_report(lake, night, app, version)
        for night in list_stored_nights(lake)
        for app, version in sorted(read_state(lake, night).reports.items())
    )
    return [body for body in bodies if body]


def list_reports(lake: Lake) -> list[ReportVersion]:
    """Lists every version of every report, by night, application and version."""
    names = lake.store.list_names(f"{REPORTS}/*/*/*/report.json")
    parts = (name.split("/") for name in names)
    return [ReportVersion(date.fromisoformat(night), *more) for _, night, *more, _ in parts]


def read_written_at(lake: Lake, version: ReportVersion) -> str:
    """Reads when a version was first written, in ISO form; empty where its run did not note it."""
    names = require_safe_name(version.app), require_safe_name(version.version)
    raw = lake.store.read("/".join((REPORTS, f"{version.night}", *names, "run.json")))
    return json.loads(raw).get("reported_at", "") if raw else ""


def order_versions(lake: Lake, night: date, app: str) -> list[str]:
    """The versions of a night's report, the first written first."""
    return [
        row.version
        for row in sorted(
            (row for row in list_reports(lake) if (row.night, row.app) == (night, app)),
            key=lambda row: (read_written_at(lake, row), row.version),
        )
    ]


def redact_report(lake: Lake, report: ReportVersion, body: Mapping[str, Json], page: str) -> None:
    """Replaces a version after redaction; its page first, since its body marks it as redacted."""
    write_page(lake, *report, page)
    folder = locate_report_folder(lake, report.night, report.app)
    path = folder / require_safe_name(report.version) / "report.json"
    replace(path, encode_canonical(body) + b"\n")


def has_reports(lake: Lake) -> bool:
    """Whether a report was ever written."""
    return (lake.home / REPORTS).exists()


def locate_board_page(lake: Lake) -> Path:
    """Returns the path of the board's page."""
    return lake.store.path(f"{REPORTS}/{PAGE}")


def write_board_page(lake: Lake, page: str) -> Path:
    """Replaces the board's page."""
    lake.store.replace(f"{REPORTS}/{PAGE}", page.encode())
    return locate_board_page(lake)


def locate_data_docs(lake: Lake, night: date, app: str) -> Path:
    """Returns the path of the Data Docs of an application's night."""
    return lake.store.path(f"{DATA_DOCS}/{night}/{require_safe_name(app)}.html")


def write_data_docs(lake: Lake, night: date, app: str, page: str) -> Path:
    """Replaces the Data Docs of an application's night."""
    path = locate_data_docs(lake, night, app)
    lake.store.replace(f"{DATA_DOCS}/{night}/{path.name}", page.encode("utf-8", "replace"))
    return path


def make_page_folders(lake: Lake) -> tuple[Path, Path]:
    """Makes the folders that are served to browsers, reports and Data Docs; returns them."""
    folders = lake.home / REPORTS, lake.home / DATA_DOCS
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders
