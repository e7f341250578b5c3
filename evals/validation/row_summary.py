"""Sums up which rows were not taken in as they were: refused, left out, unreadable in part.

What becomes of each row is decided by the importers and in `row_outcomes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from evals.ingest.inbox import PassedOver
from evals.labels.stored_checks import UnusedLabels, find_unused_in_exports
from evals.specs import Catalog, find_nearest
from evals.storage.documents.inbox_files import InboxFile, read_inbox_files
from evals.storage.lake import Lake
from evals.storage.refused_rows import RefusedGroup, group_refused


class RefusedRows(NamedTuple):
    """Rows of one file that were refused for one reason."""

    rows: int
    code: str
    file: str
    line: int
    """Of the first of them."""
    reason: str
    """Of the first of them: what was expected and what to do."""


class UnreadRows(NamedTuple):
    """Rows of one file in which an optional field could not be read and is null."""

    rows: int
    field: str
    file: str
    line: int
    """Of the first of them."""
    example: str
    """Its value, shortened."""


class UndeclaredApp(NamedTuple):
    """An application that has rows and is not in the catalog."""

    app: str
    rows: int
    nearest: str | None
    """The most similar name of the catalog; None where none is near."""


class NoOutputs(NamedTuple):
    """A file with traces, none of which has an output."""

    file: str
    rows: int
    reads: list[str]
    """The columns that the output was read from."""
    nearest: str | None
    """The column that probably has it; None where none does."""


class DecodedFile(NamedTuple):
    """A file that is not UTF-8."""

    file: str
    encoding: str


class RowSummary(NamedTuple):
    """What was not taken in as it was, of some files and nights."""

    refused: list[RefusedRows]
    """The most frequent first."""
    unread: list[UnreadRows]
    left_out: int
    """Rows that `where` of a mapping left out."""
    undeclared: list[UndeclaredApp]
    decoded: list[DecodedFile]
    earlier: int = 0
    """Refused rows of other files and nights, which are in quarantine still."""
    skipped: dict[str, int] = {}  # noqa: RUF012  never written to
    """Entries of logs that are no answers, by kind."""
    labels: list[UnusedLabels] = []  # noqa: RUF012  never written to
    """Labels beside the traces that no suite can use, by reason."""
    no_outputs: list[NoOutputs] = []  # noqa: RUF012  never written to
    passed_over: list[PassedOver] = []  # noqa: RUF012  never written to
    """Entries of the inbox that are no files of its own."""


def summarize_files(
    lake: Lake, catalog: Catalog, files: Collection[InboxFile], nights: Collection[date] = ()
) -> RowSummary:
    """Sums up the rows of some files and the refused rows of some nights.

    Args:
        lake: the home.
        catalog: declares the applications.
        files: the files.
        nights: nights whose rows were validated.
    """
    shas = {file.sha256[:16] for file in files}
    groups = group_refused(lake)
    own = [group for group in groups if group.file_sha in shas or group.night in nights]
    apps: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for file in files:
        apps.update(file.apps)
        skipped.update(file.skipped)
    return RowSummary(
        merge_groups(own),
        list_unread(files),
        sum(file.left_out for file in files),
        find_undeclared(catalog, apps),
        [DecodedFile(file.name, file.encoding) for file in files if file.encoding],
        sum(group.rows for group in groups) - sum(group.rows for group in own),
        dict(skipped),
        find_unused_in_exports(lake, catalog, files),
        list_no_outputs(files),
    )


def list_refused(
    lake: Lake, *, app: str | None = None, night: date | None = None
) -> list[RefusedRows]:
    """Lists refused rows, all or those of an application and a night.

    Rows of no known application or night are listed with every one: they may be theirs.
    """

    def is_wanted(group: RefusedGroup) -> bool:
        of_app = app is None or group.app in (None, app)
        return of_app and (night is None or group.night in (None, night))

    return merge_groups(filter(is_wanted, group_refused(lake)))


def merge_groups(groups: Iterable[RefusedGroup]) -> list[RefusedRows]:
    """Merges groups of one file and reason code, the most frequent first."""
    merged: dict[tuple[str, str], RefusedRows] = {}
    for group in groups:
        key = group.source_file, group.code
        rows = RefusedRows(group.rows, group.code, group.source_file, group.line, group.reason)
        if group_rows := merged.get(key):
            rows = min(group_rows, rows, key=lambda one: one.line)._replace(
                rows=group_rows.rows + rows.rows
            )
        merged[key] = rows
    return sorted(merged.values(), key=lambda rows: (-rows.rows, rows.file, rows.code))


def list_unread(files: Iterable[InboxFile]) -> list[UnreadRows]:
    """Lists the fields of some files that could not be read in some rows, the worst first."""
    unread: list[UnreadRows] = []
    for file in files:
        for field, note in file.unread.items():
            own = UnreadRows(note["rows"], field, file.name, note["line"], note["example"])
            unread.append(own)
    return sorted(unread, key=lambda one: (-one.rows, one.file, one.field))


def list_no_outputs(files: Iterable[InboxFile]) -> list[NoOutputs]:
    """Lists the files with traces none of which has an output."""
    return [
        NoOutputs(file.name, file.read - file.refused, note["reads"], note["nearest"])
        for file in files
        if (note := file.no_output)
    ]


def find_undeclared(catalog: Catalog, apps: Counter[str]) -> list[UndeclaredApp]:
    """Finds the applications of some rows that the catalog does not declare, if it declares any."""
    declared = [*catalog.apps, *catalog.broken]
    return [
        UndeclaredApp(app, rows, find_nearest(app, declared))
        for app, rows in sorted(apps.items())
        if declared and app not in declared
    ]


def count_apps(lake: Lake) -> Counter[str]:
    """Counts the rows of every file that was read, by application."""
    apps: Counter[str] = Counter()
    for file in read_inbox_files(lake).values():
        apps.update(file.apps)
    return apps
