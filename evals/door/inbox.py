"""Files of an inbox: which of them were not read yet, and reading those.

What becomes of a file's rows is `staging`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from evals.door.staging import import_file
from evals.importers.streams import file_sha
from evals.lake import InboxFile, Lake
from evals.specs import Catalog


def inbox_paths(inbox: Path) -> list[Path]:
    """The files of an inbox: a folder's, or the one file it names; hidden ones are not its."""
    if inbox.is_file():
        return [inbox]
    found = (path for path in inbox.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def unseen(lake: Lake, inbox: Path) -> list[Path]:
    """The files that were not read yet; a file is hashed only when its size or time changed."""
    stamps: dict[str, list[Any]] = lake.document("inbox_stamps.json") or {}
    known = lake.inbox_files()
    fresh, found = dict(stamps), []
    for path in inbox_paths(inbox):
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        held = stamps.get(str(path.absolute()))
        sha = held[2] if held and held[:2] == stamp else file_sha(path)
        fresh[str(path.absolute())] = [*stamp, sha]
        if sha not in known:
            found.append(path)
    if fresh != stamps:
        lake.write_document(fresh, "inbox_stamps.json")
    return found


def take_in(
    lake: Lake,
    catalog: Catalog,
    inbox: Path | None,
    *,
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> list[InboxFile]:
    """Imports what was not read yet of an inbox, or of the catalog's, and of the home's own."""
    places = [place for place in (inbox or catalog.inbox, lake.home / "inbox") if place]
    found = []
    for path in (path for place in places for path in unseen(lake, place)):
        say(f"importing {path.name}")
        found.append(import_file(lake, catalog, path, assume_date=assume_date, spread=spread))
    return found
