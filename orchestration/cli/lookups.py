"""Finds what a command names: the data folder, an application, a report.

Each ends the command with a sentence where there is none; nothing is made.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from evals.storage.lake import Lake
from orchestration.cli.options import INFRASTRUCTURE, USAGE, fail

if TYPE_CHECKING:
    from evals.reports.report import Report
    from evals.specs import Catalog
    from orchestration.settings import Settings


def open_existing(settings: Settings) -> Lake:
    """Opens the data folder of a command that reads; ends the command where there is none."""
    if not settings.home.is_dir():
        fail(
            USAGE,
            f"no data folder {settings.home}; `andon nightly` makes one, --home names another",
        )
    return settings.open_lake()


def check_app(settings: Settings, lake: Lake, app: str | None) -> None:
    """Ends the command where neither a report nor the catalog has an application of this name."""
    from evals.specs import CatalogError
    from evals.storage.report_files import list_reports

    names = {version.app for version in list_reports(lake)}
    if app is None or app in names:
        return
    with contextlib.suppress(CatalogError):  # reports can be read beside a broken catalog
        catalog = settings.load_catalog()
        names |= {*catalog.apps, *catalog.broken}
    if app not in names:
        fail(USAGE, f"no application {app!r}; {suggest_name(app, names)}")


def is_declared(settings: Settings, app: str) -> bool:
    """Whether the catalog has an application; false where none of it can be read."""
    from evals.specs import CatalogError

    with contextlib.suppress(CatalogError):
        catalog = settings.load_catalog()
        return app in catalog.apps or app in catalog.broken
    return False


def suggest_name(name: str, names: Iterable[str]) -> str:
    """Suggests the names most similar to an unknown one, or else lists all names."""
    names = sorted(names)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(names)}" if names else "there are none yet"


def find_report(settings: Settings, lake: Lake, app: str, only: date | None) -> Report:
    """Finds the current report of an application's night, by default its last.

    Ends the command where there is none: with the usage code for an application that nobody
    declares and that has no report at all, else with the infrastructure code and what is missing.
    """
    from evals.reports.archive import read_current_reports
    from orchestration.cli.row_notes import explain_absence as describe_refused

    check_app(settings, lake, app)
    reports = [report for report in read_current_reports(lake) if report.app == app]
    if not reports:
        without = f"no report of {app} yet; `andon nightly` writes one once it has traces"
        code = INFRASTRUCTURE if is_declared(settings, app) else USAGE
        fail(code, without + describe_refused(lake, app))
    wanted = [report for report in reports if only in (None, report.date)]
    if not wanted and only:
        nights = [report.date for report in reports]
        reason = explain_absence(settings.load_catalog(), lake, app, only, nights)
        fail(INFRASTRUCTURE, reason + describe_refused(lake, app, only))
    return wanted[-1]


def explain_absence(
    catalog: Catalog, lake: Lake, app: str, night: date, reported: list[date]
) -> str:
    """Explains why a night has no report, and names the nearest nights that have one."""
    from evals.reports.missing_nights import explain_absence as find_reason
    from evals.reports.missing_nights import find_last_night

    spec = None if app in catalog.broken else catalog.apps.get(app)
    reason = find_reason(lake, catalog, app, night, set(lake.list_nights("staged")))
    if night > (last := find_last_night(catalog, datetime.now(UTC))):
        cause = f"that night has not ended; the last one that has is {last}"
    elif reason == "catalog broken":
        cause = "its catalog is broken; run `andon doctor`"
    elif reason == "not evaluated":
        cause = "its traces wait to be evaluated; run `andon nightly`"
    elif spec is not None and not spec.expects_traces(night):
        cause = "its `cadence` expects no traces of that night, and none arrived"
    else:
        cause = "no traces of that night arrived; check its export, then run `andon nightly`"
    near = min(reported, key=lambda other: (abs(other - night), other))
    beside = "" if near == night else f"; the nearest report is of {near}"
    return f"no report of {app} for {night}: {cause}{beside}"
