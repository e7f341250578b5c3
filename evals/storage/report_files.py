"""The files that people look at: reports by night, application and version, the board, Data Docs.

What a report says is in `evals.reports`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.records import Json, encode_canonical
from evals.storage.lake import Lake, safe

REPORTS, DATA_DOCS = "reports", "data_docs"
PAGE = "index.html"


class ReportVersion(NamedTuple):
    """One version of a report."""

    night: date
    app: str
    version: str


def list_reports(lake: Lake) -> list[ReportVersion]:
    """Every version of every report, by night, application and version."""
    names = lake.store.list_names(f"{REPORTS}/*/*/*/report.json")
    parts = (name.split("/") for name in names)
    return [ReportVersion(date.fromisoformat(night), *more) for _, night, *more, _ in parts]


def order_versions(lake: Lake, night: date, app: str) -> list[str]:
    """The versions of a night's report, the first written first: its run says when."""
    folder = f"{REPORTS}/{night}/{safe(app)}"
    found = [name.split("/")[-2] for name in lake.store.list_names(f"{folder}/*/run.json")]
    return sorted(found, key=lambda name: (lake.store.read(f"{folder}/{name}/run.json"), name))


def redact_report(lake: Lake, one: ReportVersion, body: Mapping[str, Json], page: str) -> None:
    """Replaces a version whose texts had to go; its page first, since it is found by its body."""
    lake.write_page(one.night, one.app, one.version, page)
    folder = f"{REPORTS}/{one.night}/{safe(one.app)}/{safe(one.version)}"
    lake.store.replace(f"{folder}/report.json", encode_canonical(body) + b"\n")


def has_reports(lake: Lake) -> bool:
    """Whether a report was ever written."""
    return (lake.home / REPORTS).exists()


def board_file(lake: Lake) -> Path:
    """Where the board's page is."""
    return lake.store.path(f"{REPORTS}/{PAGE}")


def write_board_page(lake: Lake, page: str) -> Path:
    """Replaces the board's page."""
    lake.store.replace(f"{REPORTS}/{PAGE}", page.encode())
    return board_file(lake)


def data_docs_file(lake: Lake, night: date, app: str) -> Path:
    """Where the Data Docs of an application's night are."""
    return lake.store.path(f"{DATA_DOCS}/{night}/{safe(app)}.html")


def write_data_docs(lake: Lake, night: date, app: str, page: str) -> Path:
    """Replaces the Data Docs of an application's night."""
    path = data_docs_file(lake, night, app)
    lake.store.replace(f"{DATA_DOCS}/{night}/{path.name}", page.encode("utf-8", "replace"))
    return path


def page_folders(lake: Lake) -> tuple[Path, Path]:
    """The folders a browser may see, made where they are missing: reports, Data Docs."""
    folders = lake.home / REPORTS, lake.home / DATA_DOCS
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return folders
