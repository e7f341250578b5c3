"""Pulls sources: a time window at a time, each page saved before the next, the cursor moved last.

A pull that was killed continues at the page it was at. Each window reads the hours before it
again, for rows that came late; unchanged rows do not land twice.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from evals.privacy.row_filter import PrivacyFilter
from evals.records import digest
from evals.sources import langfuse, langsmith, phoenix
from evals.sources.api import Api, Refused, SourceError, parse_json, write_json
from evals.sources.pages import (
    LoopDetector,
    Page,
    Row,
    System,
    TimeRange,
    parse_timestamp,
    to_iso,
)
from evals.sources.subjects import group_rows, is_complete, parse_row
from evals.specs import Catalog, Source
from evals.storage.documents.failed_sources import read_failed_sources, record_pull
from evals.storage.documents.pull_cursors import (
    Cursor,
    Landed,
    Window,
    name_cursor,
    pages_folder,
    read_cursor,
    read_landed,
    write_cursor,
    write_landed,
)
from evals.storage.files import open_replacement
from evals.storage.lake import Lake

SYSTEMS: Mapping[str, System] = {"langfuse": langfuse, "langsmith": langsmith, "phoenix": phoenix}
NO_APP = "_"
"""The folder of traces whose source declares no application: they name it or are refused."""
TRACES_A_FILE = 5000
MAX_VERSIONS = 0.01
"""The largest share of a count that may be further versions of rows."""
ReportProgress = Callable[[str], None]


class PullResult(NamedTuple):
    """What pulling one project of a source did."""

    source: str
    project: str
    rows: int
    """Rows read, unchanged ones included."""
    landed: int
    """Subjects, traces and scores, that are new or changed."""
    files: int
    upto: str


class DamagedPage(Exception):
    """A saved page is not as it was written: after a power cut, or a fault of the disk."""


def pull_sources(
    lake: Lake,
    catalog: Catalog,
    now: datetime,
    *,
    names: Collection[str] = (),
    report: ReportProgress = lambda message: None,
) -> tuple[list[PullResult], list[str]]:
    """Pulls every project of the declared sources; a source that fails stops no other.

    Args:
        lake: where pages land, and where each project's cursor is.
        catalog: the sources.
        now: rows up to about this moment are pulled.
        names: sources or kinds of them; none: all.
        report: receives a message at each page.

    Returns:
        The result of each project, and why some could not be pulled.
    """
    results: list[PullResult] = []
    failures: list[str] = []
    for failed in read_failed_sources(lake):
        if failed.source not in catalog.sources:
            record_pull(lake, failed.source, (), now)
    if not catalog.sources:
        return results, failures
    privacy = PrivacyFilter.load(lake, catalog)
    for source in catalog.sources.values():
        if not names or {source.name, source.kind} & set(names):
            done, problems = pull_source(lake, privacy, source, now, report)
            results += done
            failures += problems
            record_pull(lake, source.name, problems, now)
    return results, failures


def pull_source(
    lake: Lake, privacy: PrivacyFilter, source: Source, now: datetime, report: ReportProgress
) -> tuple[list[PullResult], list[str]]:
    """Pulls each project of a source; a second process waits and finds nothing new.

    Returns:
        The result of each project, and why some could not be pulled: the source is unreachable,
        or its answers have an unknown shape.
    """
    system = SYSTEMS[source.kind]
    results: list[PullResult] = []
    failures: list[str] = []
    projects = source.projects or {source.name: source.app or ""}
    with lake.lock("pull", source.name):
        for project, app in projects.items():
            pull = ProjectPull(lake, privacy, source, project, app, report)
            try:
                with contextlib.closing(system.open_api(source)) as api:
                    results.append(pull.run(api, system, now))
            except SourceError as error:
                failures.append(str(error))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                what = f"{source.name}: its answers have another shape than {source.kind}'s"
                failures.append(f"{what} ({type(error).__name__}); check `kind`")
    return results, failures


class ProjectPull:
    """One project of a source."""

    def __init__(
        self,
        lake: Lake,
        privacy: PrivacyFilter,
        source: Source,
        project: str,
        app: str,
        report: ReportProgress,
    ) -> None:
        self.lake, self.privacy, self.report = lake, privacy, report
        self.source, self.project = source, project
        self.stem = digest(project, 8)
        self.name = f"{source.name}-{self.stem}"
        self.folder = ("pulled", source.name, app or NO_APP)
        self.pages = pages_folder(lake, self.name)

    def run(self, api: Api, system: System, now: datetime) -> PullResult:
        """Continues the window under way, or opens the next, and reads it to its end.

        Raises:
            SourceError: the API cannot be read, or a saved page is damaged.
        """
        cursor = read_cursor(self.lake, self.name)
        window = cursor.window or self.choose_window(cursor, now)
        if window.begin >= window.end:
            return PullResult(self.source.name, self.project, 0, 0, 0, cursor.upto)
        if not window.done:
            window = self.save_pages(api, system, cursor, window)
        try:
            gaps = list(self.find_gaps(api, system, window))
            result = self.land_window(window, cursor if gaps else None)
        except DamagedPage:
            self.save_cursor(cursor, window.restart())
            what = f"{self.source.name}: pages on disk are damaged"
            raise SourceError(f"{what}; run it again, they are read anew") from None
        if gaps:
            between = f"between {window.begin} and {window.read_to}"
            what = f"{self.source.name}: received {' and '.join(gaps)} {between}"
            raise SourceError(f"{what}; those are imported, and all are asked for again next time")
        return result

    def choose_window(self, cursor: Cursor, now: datetime) -> Window:
        """Returns the next window: it overlaps the last one, and ends `settle_minutes` ago.

        Raises:
            SourceError: the last window ended after `now`.
        """
        end = now - timedelta(minutes=self.source.settle_minutes)
        if upto := cursor.upto:
            if upto > to_iso(now):
                what = f"{self.source.name}: pulled up to {upto}, which is in the future"
                again = f"delete {name_cursor(self.name)} in the home to begin again at `since`"
                raise SourceError(f"{what}: a clock was wrong, then or now; {again}")
            begin = datetime.fromisoformat(upto) - timedelta(hours=self.source.overlap_hours)
        else:
            first = self.source.since or (now - timedelta(days=1)).date()
            begin = datetime.combine(first, time(), UTC)
        return Window(to_iso(begin), to_iso(end), to_iso(now), first=not upto)

    def save_pages(self, api: Api, system: System, cursor: Cursor, window: Window) -> Window:
        """Saves the window's pages, each before its position is recorded.

        A position that the API no longer accepts, because it is old, restarts the window.
        """
        self.pages.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.save_cursor(cursor, window)
        resumed, loops = window.position, LoopDetector(self.source.name)
        during = TimeRange(window.begin, window.read_to)
        try:
            for page in system.read_pages(api, self.source, self.project, during, window.position):
                loops.check_page(page.rows, page.next)
                self.write_page(page, window)
                window = window.add_page(page.next, page.listing, page.total)
                self.save_cursor(cursor, window)
                self.report(f"pulling {self.source.name}: page {window.pages}")
        except Refused:
            if resumed is None or window.position != resumed:
                raise
            return self.save_pages(api, system, cursor, window.restart())
        return window

    def save_cursor(self, cursor: Cursor, window: Window) -> None:
        """Records how far the window is read."""
        write_cursor(self.lake, self.name, cursor._replace(window=window))

    def page_path(self, number: int) -> Path:
        """Returns the path of a saved page."""
        return self.pages / f"{number:06}.jsonl.gz"

    def write_page(self, page: Page, window: Window) -> None:
        """Writes a page; a row whose moment cannot be read gets the window's last one."""
        end = datetime.fromisoformat(window.end) - timedelta(microseconds=1)
        with (
            open_replacement(self.page_path(window.pages)) as beneath,
            gzip.GzipFile("", "wb", 3, beneath, mtime=0) as file,
        ):
            for row in page.rows:
                row = row._replace(ts=to_iso(parse_timestamp(row.ts) or end))
                file.write(write_json(row) + b"\n")

    def find_gaps(self, api: Api, system: System, window: Window) -> Iterator[str]:
        """Yields `N of TOTAL NAME` for each listing with fewer rows than the API counts.

        Some servers count a row once for each of its versions (Langfuse's do until their database
        merges them). Where few are missing, the rows are listed again: the same ones are all.
        """
        during = TimeRange(window.begin, window.read_to)
        for listing in window.listings:
            pages = range(listing.first, listing.first + listing.pages)
            received = {row.own for row in self.read_saved(pages)}
            missing = listing.total - len(received)
            if missing <= 0:
                continue
            if missing <= listing.total * MAX_VERSIONS:
                ids = system.list_ids(api, self.source, self.project, during, listing.name)
                if received.issuperset(ids):
                    continue
            yield f"{len(received):,} of {listing.total:,} {listing.name}"

    def land_window(self, window: Window, again: Cursor | None) -> PullResult:
        """Writes new and changed rows to the inbox, then the cursor; repeated, the same files.

        Args:
            window: the window whose pages are saved.
            again: the cursor to go back to, where the window has to be read again.
        """
        landed = read_landed(self.lake, self.name)
        subjects = group_rows(self.read_rows(window))
        complete = [
            subject
            for subject in subjects.values()
            if is_complete(subject, window)
            and not self.privacy.is_forgotten(self.privacy.hash_identity(subject.trace))
        ]
        unknown = Landed("", "")
        changed = {s.name for s in complete if landed.get(s.name, unknown).digest != s.digest}
        files = self.write_files(window, changed)
        overlap = timedelta(hours=self.source.overlap_hours)
        earliest = to_iso(datetime.fromisoformat(window.end) - overlap)
        landed |= {subject.name: Landed(subject.first, subject.digest) for subject in complete}
        recent = {name: one for name, one in landed.items() if one.first >= earliest}
        write_landed(self.lake, self.name, recent)
        done = Cursor(window.end) if again is None else again._replace(window=None)
        write_cursor(self.lake, self.name, done)
        for path in self.pages.glob("*"):
            path.unlink()
        self.pages.rmdir()
        read = sum(subject.rows for subject in subjects.values())
        about = (self.source.name, self.project)
        return PullResult(*about, read, len(changed), files, window.end)

    def read_rows(self, window: Window) -> Iterator[Row]:
        """Yields the rows of the saved pages; of two rows with the same id only the later."""
        pages = range(window.pages)
        last = {row.own: place for place, row in enumerate(self.read_saved(pages))}
        for place, row in enumerate(self.read_saved(pages)):
            if last[row.own] == place:
                yield row

    def read_saved(self, pages: range) -> Iterator[Row]:
        """Yields every row of some saved pages.

        Raises:
            DamagedPage: a page is missing, or not as it was written.
        """
        for number in pages:
            path = self.page_path(number)
            try:
                if not path.stat().st_size:
                    raise EOFError  # gzip would take it for a page without rows
                with gzip.open(path) as file:
                    yield from (parse_row(parse_json(line)) for line in file)
            except (EOFError, OSError, zlib.error, TypeError, ValueError) as error:
                raise DamagedPage from error

    def write_files(self, window: Window, subjects: set[str]) -> int:
        """Writes the rows of some subjects, each in one file; returns how many files."""
        folder = self.lake.make_inbox_folder(*self.folder)
        count = -(-len(subjects) // TRACES_A_FILE)
        stamp = window.end.translate({ord(c): None for c in "-:."})
        paths = [folder / f"{self.stem}-{stamp}-{n:04}.jsonl.gz" for n in range(count)]
        with contextlib.ExitStack() as stack:
            files = [open_gzip(stack, path) for path in paths]
            for row in self.read_rows(window):
                if row.subject in subjects:
                    file = files[int(digest(row.subject, 8), 16) % count]
                    file.write(write_json(row.body) + b"\n")
        return count


def open_gzip(stack: contextlib.ExitStack, path: Path) -> gzip.GzipFile:
    """Opens a gzip file that replaces another on success; the same rows give the same bytes."""
    beneath = stack.enter_context(open_replacement(path))
    return stack.enter_context(gzip.GzipFile("", "wb", 3, beneath, mtime=0))


def find_app(lake: Lake, path: Path) -> str | None:
    """Returns the application declared for a pulled file's rows that name none."""
    parts = lake.split_inbox_path(path)
    return parts[2] if parts[:1] == ("pulled",) and len(parts) == 4 and parts[2] != NO_APP else None
