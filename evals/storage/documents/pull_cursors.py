"""How far each source was pulled: its cursor, its current window, and what landed lately."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from evals.storage.lake import Lake

FOLDER = "pulls"
SEEN, PAGES = ".seen.json", ".work"


class Listing(NamedTuple):
    """What the API counts in one listing of a window, and which pages are of it."""

    name: str
    """What it lists, in the plural."""
    total: int
    """The smallest count that the API gave: rows that came meanwhile are not missed."""
    first: int
    """Its first page."""
    pages: int


class Window(NamedTuple):
    """What one pull reads, fixed when it begins."""

    begin: str
    end: str
    """Subjects that began before this may land; rows are read up to `read_to`."""
    read_to: str
    first: bool
    """Whether nothing was pulled before: subjects that seem to begin earlier land too."""
    pages: int = 0
    """Pages on disk."""
    position: str | None = None
    """Where the next page begins; None at the first, and with `done` after the last."""
    done: bool = False
    listings: tuple[Listing, ...] = ()
    """The listings whose rows the API counts."""

    def restart(self) -> Window:
        """Returns the same window with nothing read."""
        return self._replace(pages=0, position=None, done=False, listings=())

    def add_page(self, position: str | None, name: str, total: int | None) -> Window:
        """Returns the window with one more page on disk, and what its listing counts.

        Nothing is counted in a window that an older version began: its pages have no listing.
        """
        listings, last = self.listings, self.listings[-1] if self.listings else None
        if last and last.name == name:
            least = last.total if total is None else min(last.total, total)
            listings = (*listings[:-1], last._replace(total=least, pages=last.pages + 1))
        elif total is not None and (last or not self.pages):
            listings = (*listings, Listing(name, total, self.pages, 1))
        return self._replace(
            pages=self.pages + 1, position=position, done=position is None, listings=listings
        )


class Cursor(NamedTuple):
    """How far a project of a source was pulled."""

    upto: str = ""
    """The end of the last window that landed, in ISO form; empty before the first."""
    window: Window | None = None
    """The current window; None between two pulls."""


class Landed(NamedTuple):
    """A trace or a score that was written to the inbox."""

    first: str
    """The time of its first row, in ISO form."""
    digest: str
    """A digest of its rows."""


def name_cursor(pull: str) -> str:
    """Returns the name of a cursor's file in the home."""
    return f"{FOLDER}/{pull}.json"


def read_cursor(lake: Lake, pull: str) -> Cursor:
    """Reads how far a pull is."""
    return lake.read_document(name_cursor(pull), parse_cursor) or Cursor()


def parse_cursor(row: dict[str, Any]) -> Cursor:
    """Returns the document as a record."""
    window = row.get("window")
    if window:
        listings = tuple(Listing(*values) for values in window.pop("listings", ()))
        window = Window(**window, listings=listings)
    return Cursor(row.get("upto") or "", window)


def write_cursor(lake: Lake, pull: str, cursor: Cursor) -> None:
    """Writes how far a pull is."""
    upto = {"upto": cursor.upto} if cursor.upto else {}
    window = cursor.window._asdict() if cursor.window else None
    lake.replace_document(name_cursor(pull), {**upto, "window": window})


def read_landed(lake: Lake, pull: str) -> dict[str, Landed]:
    """Reads what landed lately, by id."""
    return lake.read_document(f"{FOLDER}/{pull}{SEEN}", parse_landed) or {}


def parse_landed(rows: Mapping[str, list[str]]) -> dict[str, Landed]:
    """Returns the document as records."""
    return {name: Landed(*row) for name, row in rows.items()}


def write_landed(lake: Lake, pull: str, landed: Mapping[str, Landed]) -> None:
    """Replaces what landed lately."""
    lake.replace_document(f"{FOLDER}/{pull}{SEEN}", landed)


def pages_folder(lake: Lake, pull: str) -> Path:
    """Returns the folder of the current window's pages."""
    return lake.store.path(f"{FOLDER}/{pull}{PAGES}")


def restart_windows(lake: Lake) -> None:
    """Deletes the pages of every current window, so that they are requested again."""
    for pull in lake.store.list_stems(FOLDER, ".json"):
        if not f"{pull}.json".endswith(SEEN) and (cursor := read_cursor(lake, pull)).window:
            write_cursor(lake, pull, cursor._replace(window=cursor.window.restart()))
    for work in lake.store.path(FOLDER).glob(f"*{PAGES}"):
        shutil.rmtree(work)
