"""Finds and imports the files of an inbox that were not read yet.

`staging` processes a file's rows.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable
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


class PassedOver(NamedTuple):
    """An entry of an inbox that is not read although it is not hidden."""

    file: str
    reason: str

    def describe(self) -> str:
        """Describes it in a line."""
        return f"{self.file}: not read: {self.reason}"


class ImportResult(NamedTuple):
    """What came of the unread files of an inbox."""

    files: list[InboxFile]
    """The files that were read."""
    failures: list[str]
    """Why others were not, a message each."""


def list_inbox(inbox: Path | str | None) -> list[Path]:
    """Lists the files of a folder or a pattern, or the one file named; without hidden ones."""
    if isinstance(inbox, Path) and inbox.is_file():
        return [inbox]
    root = find_root(inbox)
    return [path for path in list_entries(inbox) if path.is_file() and is_within(root, path)]


def list_entries(inbox: Path | str | None) -> list[Path]:
    """Lists what is in a folder and below, or matches a pattern, without what is hidden."""
    if inbox is None:
        return []
    entries = locations.list_matching(inbox) if isinstance(inbox, str) else inbox.rglob("*")
    return sorted(path for path in entries if not path.name.startswith("."))


def find_root(inbox: Path | str | None) -> Path:
    """Returns the folder of an inbox; of a pattern, the one above its first part that varies."""
    return inbox if isinstance(inbox, Path) else locations.find_fixed_folder(inbox or "")


def is_within(root: Path, path: Path) -> bool:
    """Whether an entry is in its inbox, and not linked from outside."""
    return path.resolve().is_relative_to(root.resolve())


def list_passed_over(inbox: Path | str | None) -> list[PassedOver]:
    """Lists the entries of an inbox that are not read although they are not hidden."""
    root = find_root(inbox)
    found: dict[Path, None] = {}
    for path in list_entries(inbox):
        if not (path.is_file() or is_readable_folder(path)) or not is_within(root, path):
            steps = [part for part in path.parents if part.is_relative_to(root) and part != root]
            links = (step for step in (*reversed(steps), path) if step.is_symlink())
            found[next(links, path)] = None
    return [
        PassedOver(make_name_readable(relative_name(root, path)), explain_passed_over(path))
        for path in found
    ]


def is_readable_folder(path: Path) -> bool:
    """Whether an entry is a folder whose files this user may list."""
    return path.is_dir() and os.access(path, os.R_OK | os.X_OK)


def explain_passed_over(path: Path) -> str:
    """Explains why an entry of an inbox is not read, and what to do."""
    if not path.exists():
        return "a link that leads to no file"
    mode = path.stat().st_mode
    if path.is_symlink() and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        what = "folder" if stat.S_ISDIR(mode) else "file"
        return f"a link out of the inbox, which is not followed; copy the {what}"
    if stat.S_ISDIR(mode):
        return "a folder that this user may not read"
    if stat.S_ISFIFO(mode):
        return "a pipe; write it to a file, or read it with `andon import -`"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def list_inboxes(lake: Lake, catalog: Catalog, inbox: Path | str | None) -> list[Path | str | None]:
    """Lists where files are imported from: an inbox, or the catalog's, and the home's own.

    Objects of a remote one are copied into the home's first.
    """
    where = inbox or catalog.inbox
    is_remote = isinstance(where, str) and locations.is_remote(where)
    return [None if is_remote else where, lake.store.path("inbox")]


def find_unread(lake: Lake, inbox: Path | str | None) -> list[Path]:
    """Returns the files that were not read yet; hashes those whose size or time changed."""
    stamps = read_stamps(lake)
    inbox_files = read_inbox_files(lake)
    fresh = dict(stamps)
    unread: list[Path] = []
    for path in list_inbox(inbox):
        found = path.stat()
        stamp = stamps.get(str(path.absolute()))
        same = stamp and (stamp.size, stamp.changed_ns) == (found.st_size, found.st_mtime_ns)
        sha = stamp.sha256 if stamp and same else file_sha(path)
        fresh[str(path.absolute())] = FileStamp(found.st_size, found.st_mtime_ns, sha)
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
        lake.make_inbox_folder()
        for inbox in list_inboxes(lake, catalog, where):
            for entry in list_passed_over(inbox):
                report(entry.describe())
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
