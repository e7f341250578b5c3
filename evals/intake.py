"""The steps before a night: sources pulled, exports imported, labels added, batches collected.

The steps of a night are in `pipeline`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from evals.labels.label_files import LabelImport, add_label_files
from evals.specs import Catalog
from evals.storage.lake import Lake

ReportProgress = Callable[[str], None]
SHOWN_ROWS = 5
"""Refused rows of a labels file that are listed; the others are counted."""


def ignore_progress(message: str) -> None:
    """Shows no progress."""


class Intake(NamedTuple):
    """What is imported before nights are scored."""

    inbox: Path | str | None = None
    """A folder, a pattern or an address; None: the catalog's."""
    labels: tuple[Path, ...] = ()
    """Label files beside the catalog's."""
    assume_date: date | None = None
    """The night of rows that have no timestamp."""
    spread: tuple[date, date] | None = None
    """The nights over which such rows are spread instead."""
    pull: bool = True
    """Whether the catalog's sources are pulled."""


def import_intake(
    lake: Lake,
    catalog: Catalog,
    intake: Intake,
    now: datetime,
    report: ReportProgress = ignore_progress,
    warn: ReportProgress = ignore_progress,
) -> list[str]:
    """Pulls and imports exports, adds labels, and collects the answers of batches.

    Args:
        lake: receives them.
        catalog: the catalog.
        intake: what is imported.
        now: the present.
        report: called with what is being done.
        warn: called with each refused row of a labels file, of many with the first ones, and with
            the number of rows without a verdict.

    Returns:
        A message for each source that could not be pulled, and for each file that was not read.
    """
    failures = pull_sources(lake, catalog, now, report) if intake.pull else []
    failures += import_exports(lake, catalog, intake, now, report)
    for file in add_labels(lake, catalog, intake.labels, now):
        for line in file.describe_refused(most=SHOWN_ROWS):
            warn(f"label refused: {line}")
        if file.blank and not file.was_added_before:
            warn(f"{file.path}: rows of people without a verdict, left out: {file.blank:,}")
    collect_batches(lake, catalog, now)
    return failures


def pull_sources(
    lake: Lake, catalog: Catalog, now: datetime, report: ReportProgress = ignore_progress
) -> list[str]:
    """Pulls the catalog's sources; returns a message for each that failed.

    Renders the board again if other sources fail than before.
    """
    from evals.reports import board_pages
    from evals.sources import pulls
    from evals.storage.documents.failed_sources import read_failed_sources
    from evals.storage.report_files import locate_board_page

    before = read_failed_sources(lake)
    failures = pulls.pull_sources(lake, catalog, now, report=report)[1]
    if read_failed_sources(lake) != before and locate_board_page(lake).exists():
        board_pages.write_board(lake)
    return failures


def import_exports(
    lake: Lake,
    catalog: Catalog,
    intake: Intake,
    now: datetime,
    report: ReportProgress = ignore_progress,
) -> list[str]:
    """Stages the rows of every new file in the inbox.

    Returns:
        A message for each file that was not read.

    Raises:
        CatalogError: the catalog's inbox is needed and does not exist.
        OtherContents: it is the demo's, and the home has a team's files.
    """
    from evals.ingest import inbox

    if intake.inbox is None:
        catalog.require_inbox()
        keep_demo_out(lake, catalog)
    result = inbox.import_inbox(
        lake,
        catalog,
        intake.inbox,
        assume_date=intake.assume_date,
        spread=intake.spread,
        now=now,
        report=report,
    )
    return result.failures


def keep_demo_out(lake: Lake, catalog: Catalog) -> None:
    """Checks that the demo's traces enter no home whose first files were a team's.

    Such files may have come by an import without a catalog of the team's own, refused rows and all.

    Raises:
        OtherContents: they would.
    """
    if not catalog.demo:
        return
    from evals.ingest import inbox
    from evals.storage.documents.home_contents import refuse_demo
    from evals.storage.documents.inbox_files import read_inbox_files

    names = {file.name for file in read_inbox_files(lake).values()}
    if names and names.isdisjoint(path.name for path in inbox.list_inbox(catalog.inbox)):
        refuse_demo(lake)


def add_labels(
    lake: Lake, catalog: Catalog, more: Iterable[Path] = (), now: datetime | None = None
) -> list[LabelImport]:
    """Adds the catalog's label files and some more; returns the outcome of each."""
    return add_label_files(lake, catalog, more, now)


def collect_batches(lake: Lake, catalog: Catalog, now: datetime) -> None:
    """Collects the answers of the batches that providers have finished."""
    from evals.storage.documents.batch_jobs import list_open_jobs

    if not list_open_jobs(lake):
        return
    from evals.calls.routing import take_back_batches
    from evals.storage import ledger

    with ledger.open_journal(lake, f"batches-{secrets.token_hex(4)}") as journal:
        take_back_batches(lake, catalog, journal, now)
