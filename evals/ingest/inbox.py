"""Files of an inbox: which of them were not read yet, and reading those.

What becomes of a file's rows is `staging`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from evals.ingest.file_batches import FileBatch
from evals.ingest.staging import import_file
from evals.privacy.redaction import PrivacyFilter
from evals.sources import locations
from evals.sources.pulls import find_app
from evals.specs import Catalog
from evals.storage.documents.inbox_stamps import FileStamp, read_stamps, write_stamps
from evals.storage.lake import Lake
from evals.storage.tables import InboxFile
from evals.traces.files.streams import file_sha


def list_inbox(inbox: Path | str | None) -> list[Path]:
    """The files of an inbox: a folder's, a pattern's, or the one it names; hidden ones are not."""
    if isinstance(inbox, str):
        return locations.list_matching(inbox)
    if inbox is None:
        return []
    if inbox.is_file():
        return [inbox]
    found = (path for path in inbox.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def find_unread(lake: Lake, inbox: Path | str | None) -> list[Path]:
    """The files that were not read yet; a file is hashed only when its size or time changed."""
    stamps = read_stamps(lake)
    known = lake.inbox_files()
    fresh, found = dict(stamps), []
    for path in list_inbox(inbox):
        stat = path.stat()
        held = stamps.get(str(path.absolute()))
        same = held and (held.size, held.changed_ns) == (stat.st_size, stat.st_mtime_ns)
        sha = held.sha256 if held and same else file_sha(path)
        fresh[str(path.absolute())] = FileStamp(stat.st_size, stat.st_mtime_ns, sha)
        if sha not in known:
            found.append(path)
    if fresh != stamps:
        write_stamps(lake, fresh)
    return found


def import_inbox(
    lake: Lake,
    catalog: Catalog,
    inbox: Path | str | None,
    *,
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
    now: datetime | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> list[InboxFile]:
    """Imports what was not read yet of an inbox, or of the catalog's, and of the home's own.

    A pulled file's rows that name no application are its source's.
    """
    where = inbox or catalog.inbox
    if isinstance(where, str) and locations.is_remote(where):
        say(f"fetching {locations.hide_credentials(where)}")
        locations.fetch_objects(lake, where)
        where = None
    found: dict[str, InboxFile] = {}
    with lake.used(), FileBatch(lake, PrivacyFilter.load(lake, catalog)) as arrivals:
        for inbox in (where, lake.raw_folder()):
            for path in find_unread(lake, inbox):
                say(f"importing {path.name}")
                options: Any = {"assume_date": assume_date, "spread": spread, "now": now}
                options |= {"app": find_app(lake, path), "place": relative_name(inbox, path)}
                seen = import_file(lake, catalog, path, **options, arrivals=arrivals)
                found[seen.sha256] = seen
    return list(found.values())


def relative_name(inbox: Path | str | None, path: Path) -> str:
    """Where a file lies in its inbox, with slashes; its name alone where that is a pattern."""
    if isinstance(inbox, Path) and path.is_relative_to(inbox) and path != inbox:
        return path.relative_to(inbox).as_posix()
    return path.name
