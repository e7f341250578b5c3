"""Finds and imports the files of an inbox that were not read yet.

`staging` processes a file's rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from evals.ingest.file_batches import FileBatch
from evals.ingest.staging import import_file
from evals.privacy.row_filter import PrivacyFilter
from evals.readable import list_counts, make_name_readable
from evals.sources import locations
from evals.sources.pulls import find_app
from evals.specs import Catalog
from evals.storage.documents.inbox_files import InboxFile, read_inbox_files
from evals.storage.documents.inbox_stamps import FileStamp, read_stamps, write_stamps
from evals.storage.lake import Lake
from evals.traces.files.streams import file_sha
from evals.traces.reader import MissingColumnsError


class ImportResult(NamedTuple):
    """What came of the unread files of an inbox."""

    files: list[InboxFile]
    """The files that were read."""
    failures: list[str]
    """Why others were not, a message each."""


def list_inbox(inbox: Path | str | None) -> list[Path]:
    """Lists the files of a folder or a pattern, or the one file named; without hidden ones."""
    if isinstance(inbox, str):
        return locations.list_matching(inbox)
    if inbox is None:
        return []
    if inbox.is_file():
        return [inbox]
    return sorted(path for path in inbox.rglob("*") if is_export(inbox, path))


def is_export(inbox: Path, path: Path) -> bool:
    """Whether an entry of an inbox is a file to read: not hidden, and not linked from outside."""
    return (
        not path.name.startswith(".")
        and path.is_file()
        and path.resolve().is_relative_to(inbox.resolve())
    )


def describe_passed_over(inbox: Path | str | None) -> Iterator[str]:
    """Describes each entry of an inbox folder that is not read although it is not hidden."""
    if not isinstance(inbox, Path) or not inbox.is_dir():
        return
    for path in sorted(inbox.rglob("*")):
        is_folder = path.is_dir() and not path.is_symlink()
        if path.name.startswith(".") or is_folder or is_export(inbox, path):
            continue
        if path.is_symlink():
            reason = "a link out of the inbox, which is not followed; copy the file"
        else:
            reason = "no regular file, such as a pipe or a device"
        yield f"{make_name_readable(relative_name(inbox, path))}: not read: {reason}"


def find_unread(lake: Lake, inbox: Path | str | None) -> list[Path]:
    """Returns the files that were not read yet; hashes those whose size or time changed."""
    stamps = read_stamps(lake)
    inbox_files = read_inbox_files(lake)
    fresh = dict(stamps)
    unread: list[Path] = []
    for path in list_inbox(inbox):
        stat = path.stat()
        stamp = stamps.get(str(path.absolute()))
        same = stamp and (stamp.size, stamp.changed_ns) == (stat.st_size, stat.st_mtime_ns)
        sha = stamp.sha256 if stamp and same else file_sha(path)
        fresh[str(path.absolute())] = FileStamp(stat.st_size, stat.st_mtime_ns, sha)
        if sha not in inbox_files:
            unread.append(path)
    if fresh != stamps:
        write_stamps(lake, fresh)
    return unread


def import_inbox(
    lake: Lake,
    catalog: Catalog,
    inbox: Path | str | None,
    *,
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
    now: datetime | None = None,
    report: Callable[[str], None] = lambda words: None,
) -> ImportResult:
    """Imports the unread files of an inbox, or of the catalog's, and of the home's own.

    Rows of a pulled file without an application get its source's. A file that lacks a column
    which a mapping names is not read, and stops no other.
    """
    where = inbox or catalog.inbox
    if isinstance(where, str) and locations.is_remote(where):
        report(f"fetching {locations.hide_credentials(where)}")
        locations.fetch_objects(lake, where)
        where = None
    imported: dict[str, InboxFile] = {}
    failures: list[str] = []
    with lake.lock_home(), FileBatch(lake, PrivacyFilter.load(lake, catalog)) as arrivals:
        stage_file = functools.partial(
            import_file,
            lake,
            catalog,
            assume_date=assume_date,
            spread=spread,
            now=now,
            arrivals=arrivals,
        )
        for inbox in (where, lake.make_inbox_folder()):
            for message in describe_passed_over(inbox):
                report(message)
            for path in find_unread(lake, inbox):
                report(f"importing {path.name}")
                try:
                    place = relative_name(inbox, path)
                    seen = stage_file(path, app=find_app(lake, path), place=place)
                except MissingColumnsError as error:
                    failures.append(str(error))
                    continue
                imported[seen.sha256] = seen
                if seen.skipped:
                    skipped = list_counts(seen.skipped)
                    report(f"{path.name}: skipped {skipped}, which are no answers")
    return ImportResult(list(imported.values()), failures)


def relative_name(inbox: Path | str | None, path: Path) -> str:
    """Returns a file's path within its inbox, with slashes; its name if the inbox is a pattern."""
    if isinstance(inbox, Path) and path.is_relative_to(inbox) and path != inbox:
        return path.relative_to(inbox).as_posix()
    return path.name
