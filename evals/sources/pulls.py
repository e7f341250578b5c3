"""Pulling a source: a window at a time, each page on disk before the next, the cursor moved last.

Killed at any moment the window goes on at the page it was at. Each window reads some hours before
it again, for what came late; what is as it was does not land twice.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from evals.privacy.redaction import PrivacyFilter
from evals.records import digest
from evals.sources import langfuse, langsmith, phoenix
from evals.sources.api import Api, Refused, SourceError, parse_json, write_json
from evals.sources.pages import Listing, Page, Row, System, parse_timestamp, to_iso
from evals.specs import Catalog, Source
from evals.storage.documents.pull_cursors import (
    Cursor,
    Landed,
    Window,
    cursor_name,
    pages_folder,
    read_cursor,
    read_landed,
    write_cursor,
    write_landed,
)
from evals.storage.files import rewriting
from evals.storage.lake import Lake

SYSTEMS: Mapping[str, System] = {"langfuse": langfuse, "langsmith": langsmith, "phoenix": phoenix}
NOBODY = "_"
"""The folder of traces that name their application themselves, or else are refused."""
TRACES_A_FILE = 5000
BEGINNING = timedelta(hours=1)
"""A subject whose first row lies this far within a window began in it, root or not."""
Say = Callable[[str], None]


class Pulled(NamedTuple):
    """What pulling one project of a source came to."""

    source: str
    project: str
    rows: int
    """Rows read, those that were known already among them."""
    landed: int
    """Subjects, traces and scores, that are new or changed."""
    files: int
    upto: str


class Damaged(Exception):
    """A page on disk is not as it was written: the power went, or the disk."""


def pull(
    lake: Lake,
    catalog: Catalog,
    now: datetime,
    *,
    names: Collection[str] = (),
    say: Say = lambda words: None,
) -> tuple[list[Pulled], list[str]]:
    """Pulls every project of the sources declared; a source that cannot be stops no other.

    Args:
        lake: where pages land, and how far each project is.
        catalog: the sources.
        now: the moment up to which there is something to pull.
        names: sources or kinds of them; none: all.
        say: hears how far it is.

    Returns:
        What each project came to, and why some could not be pulled.
    """
    found: list[Pulled] = []
    failures: list[str] = []
    door = PrivacyFilter.load(lake, catalog) if catalog.sources else None
    for source in catalog.sources.values():
        if door and (not names or {source.name, source.kind} & set(names)):
            done, problems = pull_source(lake, door, source, now, say)
            found += done
            failures += problems
    return found, failures


def pull_source(
    lake: Lake, door: PrivacyFilter, source: Source, now: datetime, say: Say
) -> tuple[list[Pulled], list[str]]:
    """Pulls each project of a source; a second puller of it waits and finds it done.

    Returns:
        What each project came to, and why some could not be pulled: it cannot be reached, or
        answers in another shape than is known.
    """
    system, found, failures = SYSTEMS[source.kind], [], []
    projects = source.projects or {source.name: source.app or ""}
    with lake.lock("pull", source.name):
        for project, app in projects.items():
            one = Pull(lake, door, source, project, app, say)
            try:
                with contextlib.closing(system.open_api(source)) as api:
                    found.append(one.run(api, system, now))
            except SourceError as error:
                failures.append(str(error))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                what = f"{source.name}: its answers have another shape than {source.kind}'s"
                failures.append(f"{what} ({type(error).__name__}); check `kind`")
    return found, failures


class Pull:
    """One project of a source."""

    def __init__(
        self, lake: Lake, door: PrivacyFilter, source: Source, project: str, app: str, say: Say
    ) -> None:
        self.lake, self.door, self.say = lake, door, say
        self.source, self.project = source, project
        name = f"{source.name}-{digest(project, 8)}"
        self.name = name
        self.folder = ("pulled", source.name, app or NOBODY)
        self.work = pages_folder(lake, name)
        self.stem = digest(project, 8)

    def run(self, api: Api, system: System, now: datetime) -> Pulled:
        """Finishes the window that was begun, or begins one, and reads it to its end.

        Raises:
            SourceError: it cannot be read, or its pages on disk cannot.
        """
        cursor = read_cursor(self.lake, self.name)
        window = cursor.window or self.window(cursor, now)
        if window.begin >= window.end:
            return Pulled(self.source.name, self.project, 0, 0, 0, cursor.upto)
        if not window.done:
            window = self.read(api, system, cursor, window)
        try:
            return self.land(window)
        except Damaged:
            self.save(cursor, window.anew())
            what = f"{self.source.name}: pages on disk are damaged"
            raise SourceError(f"{what}; run it again, they are read anew") from None

    def window(self, cursor: Cursor, now: datetime) -> Window:
        """The next window: from before the last one's end, to what has settled by now.

        Raises:
            SourceError: the last one ended in what is still to come.
        """
        end = now - timedelta(minutes=self.source.settle_minutes)
        if upto := cursor.upto:
            if upto > to_iso(now):
                what = f"{self.source.name}: pulled up to {upto}, which is still to come"
                again = f"delete {cursor_name(self.name)} in the home to begin again at `since`"
                raise SourceError(f"{what}: a clock was wrong, then or now; {again}")
            begin = datetime.fromisoformat(upto) - timedelta(hours=self.source.overlap_hours)
        else:
            first = self.source.since or (now - timedelta(days=1)).date()
            begin = datetime.combine(first, time(), UTC)
        return Window(to_iso(begin), to_iso(end), to_iso(now), first=not upto)

    def read(self, api: Api, system: System, cursor: Cursor, window: Window) -> Window:
        """Puts the window's pages on disk, each before its position is remembered.

        A position that the system no longer knows, for it was long ago, begins the window anew.
        """
        self.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.save(cursor, window)
        resumed, listing = window.position, Listing(self.source.name)
        span = (window.begin, window.read_to)
        try:
            for page in system.read_pages(api, self.source, self.project, span, window.position):
                listing.turned(page.rows, page.next)
                self.keep(page, window)
                more = {"pages": window.pages + 1, "position": page.next, "done": page.next is None}
                window = window._replace(**more)
                self.save(cursor, window)
                self.say(f"pulling {self.source.name}: page {window.pages}")
        except Refused:
            if resumed is None or window.position != resumed:
                raise
            return self.read(api, system, cursor, window.anew())
        return window

    def save(self, cursor: Cursor, window: Window) -> None:
        """Remembers how far it is."""
        write_cursor(self.lake, self.name, cursor._replace(window=window))

    def keep(self, page: Page, window: Window) -> None:
        """A page aside, then under its name; a row of no known moment is of the window's end."""
        path = self.work / f"{window.pages:06}.jsonl.gz"
        end = datetime.fromisoformat(window.end) - timedelta(microseconds=1)
        with rewriting(path) as beneath, gzip.GzipFile("", "wb", 3, beneath, mtime=0) as file:
            for row in page.rows:
                if {type(row.own), type(row.subject), type(row.trace)} != {str}:
                    raise TypeError("an id that is no text")
                file.write(
                    write_json(row._replace(ts=to_iso(parse_timestamp(row.ts) or end))) + b"\n"
                )

    def land(self, window: Window) -> Pulled:
        """Moves what is new into the inbox, then the cursor; repeated, it lands the same files."""
        landed = read_landed(self.lake, self.name)
        subjects = find_subjects(self.rows(window))
        chosen = [
            one
            for one in subjects.values()
            if has_settled(one, window)
            and not self.door.is_forgotten(self.door.hash_identity(one.trace))
        ]
        fresh = [one for one in chosen if landed.get(one.name, Landed("", "")).digest != one.digest]
        files = self.write(window, {one.name for one in fresh})
        past = to_iso(
            datetime.fromisoformat(window.end) - timedelta(hours=self.source.overlap_hours)
        )
        landed |= {one.name: Landed(one.first, one.digest) for one in chosen}
        late = {name: one for name, one in landed.items() if one.first >= past}
        write_landed(self.lake, self.name, late)
        write_cursor(self.lake, self.name, Cursor(window.end))
        for path in self.work.glob("*"):
            path.unlink()
        self.work.rmdir()
        read = sum(one.rows for one in subjects.values())
        about = (self.source.name, self.project)
        return Pulled(*about, read, len(fresh), files, window.end)

    def rows(self, window: Window) -> Iterator[Row]:
        """The rows of a window's pages, from disk; one that stands there twice as it was last."""
        last = {row.own: place for place, row in enumerate(self.lines(window))}
        for place, row in enumerate(self.lines(window)):
            if last[row.own] == place:
                yield row

    def lines(self, window: Window) -> Iterator[Row]:
        """Every row of a window's pages, from disk.

        Raises:
            Damaged: a page is not there, or not as it was written.
        """
        for number in range(window.pages):
            path = self.work / f"{number:06}.jsonl.gz"
            try:
                if not path.stat().st_size:
                    raise EOFError  # which gzip takes for a page without rows
                with gzip.open(path) as file:
                    yield from (Row(*parse_json(line)) for line in file)
            except (EOFError, OSError, zlib.error, TypeError, ValueError) as error:
                raise Damaged from error

    def write(self, window: Window, fresh: set[str]) -> int:
        """Writes what is new, a subject's rows always in one file; returns how many files."""
        folder = self.lake.raw_folder(*self.folder)
        parts = -(-len(fresh) // TRACES_A_FILE)
        stamp = window.end.translate({ord(c): None for c in "-:."})
        names = [folder / f"{self.stem}-{stamp}-{n:04}.jsonl.gz" for n in range(parts)]
        with contextlib.ExitStack() as stack:
            files = [write_gzip(stack, path) for path in names]
            for row in self.rows(window):
                if row.subject in fresh:
                    part = int(digest(row.subject, 8), 16) % parts
                    files[part].write(write_json(row.body) + b"\n")
        return parts


class Subject(NamedTuple):
    """A trace or a score as far as the window shows it."""

    name: str
    trace: str
    first: str
    begins: bool
    """Whether its first row is among them."""
    rows: int
    digest: str


def find_subjects(rows: Iterable[Row]) -> dict[str, Subject]:
    """What the rows are about; the same rows in another order are the same."""
    found: dict[str, Subject] = {}
    for row in rows:
        print_of = digest(row.body, 16)
        held = found.get(row.subject)
        if held is None:
            found[row.subject] = Subject(row.subject, row.trace, row.ts, row.whole, 1, print_of)
            continue
        mixed = f"{int(held.digest, 16) ^ int(print_of, 16):016x}"
        more = (min(held.first, row.ts), held.begins or row.whole, held.rows + 1, mixed)
        found[row.subject] = Subject(row.subject, row.trace, *more)
    return found


def has_settled(one: Subject, window: Window) -> bool:
    """Whether a subject may land: it began within the window, long enough ago."""
    if one.first >= window.end:
        return False
    begun = to_iso(datetime.fromisoformat(window.begin) + BEGINNING)
    return one.begins or window.first or one.first >= begun


def write_gzip(stack: contextlib.ExitStack, path: Path) -> gzip.GzipFile:
    """A gzip file in the place of another when all went well, the same bytes for the same rows."""
    beneath = stack.enter_context(rewriting(path))
    return stack.enter_context(gzip.GzipFile("", "wb", 3, beneath, mtime=0))


def find_app(lake: Lake, path: Path) -> str | None:
    """The application of a pulled file's rows that name none."""
    parts = lake.raw_place(path)
    return parts[2] if parts[:1] == ("pulled",) and len(parts) == 4 and parts[2] != NOBODY else None
