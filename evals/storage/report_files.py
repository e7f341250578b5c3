"""The pages people open: reports by night, application and version, the board, Data Docs.

`evals.reports` builds what is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.records import Json, JsonLike, digest, encode_canonical
from evals.storage import damage
from evals.storage.damage import detect_damage
from evals.storage.errors import DamagedFileError
from evals.storage.files import replace
from evals.storage.lake import Lake, require_safe_name
from evals.storage.night_state import list_stored_nights, read_intact_state

REDACTION_MARKS = ("[forgotten]", "[expired]")
"""What replaces an id or a text that was forgotten, or is too old."""
REPORTS, DATA_DOCS = "reports", "data_docs"
PAGE = "index.html"
MONTHS = "months"
"""The folder of the months before the board."""
MARKDOWN = "report.md"


class ReportVersion(NamedTuple):
    """One version of a report."""

    night: date
    app: str
    version: str


def write_report(
    lake: Lake, night: date, body: Mapping[str, Json], page: str, run: JsonLike
) -> Path:
    """Writes a report's version; writing the same version again replaces only its page."""
    report = ReportVersion(night, str(body["app"]), str(body["version"]))
    folder = locate_version(lake, report)
    if not (folder / "report.json").exists():
        if not (folder / "run.json").exists():
            replace(folder / "run.json", encode_canonical(run) + b"\n")
        replace(folder / "report.json", encode_canonical(body) + b"\n")
    write_page(lake, *report, page)
    return folder


def write_page(lake: Lake, night: date, app: str, version: str, page: str) -> None:
    """Replaces the page of a report's version."""
    folder = locate_version(lake, ReportVersion(night, app, version))
    replace(folder / PAGE, page.encode("utf-8", "replace"))


def write_markdown(lake: Lake, night: date, app: str, version: str, text: str) -> None:
    """Replaces the Markdown of a report's version."""
    folder = locate_version(lake, ReportVersion(night, app, version))
    replace(folder / MARKDOWN, text.encode("utf-8", "replace"))


def read_version_page(lake: Lake, report: ReportVersion) -> str:
    """Reads the page of a report's version; empty where it is missing."""
    path = locate_version(lake, report) / PAGE
    return path.read_text("utf-8", "replace") if path.exists() else ""


def locate_report_folder(lake: Lake, night: date, app: str) -> Path:
    """Returns the folder with the versions of an application's night."""
    return lake.store.path(f"{REPORTS}/{night:%Y-%m-%d}/{require_safe_name(app)}")


def locate_version(lake: Lake, report: ReportVersion) -> Path:
    """Returns the folder of one version of a report."""
    return locate_report_folder(lake, report.night, report.app) / require_safe_name(report.version)


def read_report(lake: Lake, night: date, app: str, version: str) -> dict[str, Json] | None:
    """Reads one version of a report; None if missing.

    Raises:
        DamagedFileError: it is damaged, or was edited: its version is not its digest.
    """
    path = locate_report_file(lake, ReportVersion(night, app, version))
    body = read_body(lake, night, app, version)
    if body is None:
        return None
    with detect_damage(path):
        is_whole = compute_version(body) == body["version"] == version
    if not is_whole and not is_redacted(body):
        raise DamagedFileError(
            path,
            f"{path} was edited or is damaged: its version is not the digest of its content; "
            "restore it from a backup, or delete it: `andon nightly` writes the current version "
            "of a night again",
        )
    return body


def read_body(lake: Lake, night: date, app: str, version: str) -> dict[str, Json] | None:
    """Reads one version of a report, even one that was edited; None if missing.

    Raises:
        DamagedFileError: it is no JSON object.
    """
    path = locate_report_file(lake, ReportVersion(night, app, version))
    if not path.exists():
        return None
    with detect_damage(path):
        return {**json.loads(path.read_bytes())}


def compute_version(body: Mapping[str, Json]) -> str:
    """Returns the version of a report: the digest of everything else in its body."""
    return digest({key: value for key, value in body.items() if key != "version"})


def is_redacted(body: Mapping[str, Json]) -> bool:
    """Whether texts or ids were removed after the report was written."""
    text = encode_canonical(body)
    return any(mark.encode() in text for mark in REDACTION_MARKS)


def read_intact_report(lake: Lake, report: ReportVersion) -> dict[str, Json] | None:
    """Reads one version of a report; None if missing, and for a damaged one, which is reported."""
    try:
        return read_report(lake, *report)
    except DamagedFileError as error:
        damage.report(str(error))
        return None


def read_current_reports(lake: Lake) -> list[dict[str, Json]]:
    """Reads the current version of every application's every night, oldest first."""
    bodies = (
        read_intact_report(lake, ReportVersion(night, app, version))
        for night in list_stored_nights(lake)
        for app, version in sorted(read_intact_state(lake, night).reports.items())
    )
    return [body for body in bodies if body]


def locate_report_file(lake: Lake, report: ReportVersion) -> Path:
    """Returns the path of one version of a report."""
    return locate_version(lake, report) / "report.json"


def list_reports(lake: Lake) -> list[ReportVersion]:
    """Lists every version of every report, by night, application and version."""
    names = lake.store.list_names(f"{REPORTS}/*/*/*/report.json")
    parts = (name.split("/") for name in names)
    return [ReportVersion(date.fromisoformat(night), *more) for _, night, *more, _ in parts]


def read_written_at(lake: Lake, version: ReportVersion) -> str:
    """Reads when a version was first written, in ISO form; empty where its run did not note it."""
    return str(read_run(lake, version).get("reported_at", ""))


def read_run(lake: Lake, version: ReportVersion) -> dict[str, object]:
    """Reads the `run.json` of a report; empty if missing or damaged."""
    path = locate_version(lake, version) / "run.json"
    try:
        return {**json.loads(path.read_bytes())} if path.exists() else {}
    except (ValueError, TypeError):
        damage.report(str(damage.explain_damage(path)))
        return {}


def order_versions(lake: Lake, night: date, app: str) -> list[str]:
    """The versions of a night's report, the first written first."""
    paths = locate_report_folder(lake, night, app).glob("*/report.json")
    stored = (ReportVersion(night, app, path.parent.name) for path in paths)
    ordered = sorted(stored, key=lambda row: (read_written_at(lake, row), row.version))
    return [row.version for row in ordered]


def redact_report(lake: Lake, report: ReportVersion, body: Mapping[str, Json], page: str) -> None:
    """Replaces a version after redaction; its page first, since its body marks it as redacted."""
    write_page(lake, *report, page)
    replace(locate_report_file(lake, report), encode_canonical(body) + b"\n")


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


def read_month_page(lake: Lake, month: date) -> str:
    """Reads the page of a month; empty where it is missing."""
    return (lake.store.read(f"{REPORTS}/{MONTHS}/{month:%Y-%m}.html") or b"").decode()


def write_month_page(lake: Lake, month: date, page: str) -> None:
    """Replaces the page of a month."""
    lake.store.replace(f"{REPORTS}/{MONTHS}/{month:%Y-%m}.html", page.encode("utf-8", "replace"))


def replace_changed(path: Path, page: str) -> None:
    """Replaces a page whose content differs."""
    data = page.encode("utf-8", "replace")
    try:
        is_same = path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        is_same = False
    if not is_same:
        replace(path, data)


def write_linked_page(lake: Lake, name: str, page: str) -> None:
    """Replaces a page below the board, such as `incidents/NAME.html`, if its content differs."""
    replace_changed(lake.store.path(f"{REPORTS}/{name}"), page)


def has_page(lake: Lake, name: str) -> bool:
    """Whether there is a page of a name below the board."""
    return lake.store.find_entry(f"{REPORTS}/{name}") is not None


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
