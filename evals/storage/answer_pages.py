"""The pages of single answers: a night's failing ones, its topics, and a page of each trace.

They repeat texts of traces, so that whoever deletes a text deletes them; `evals.reports` makes
them again from the tables.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.records import digest
from evals.storage.files import replace
from evals.storage.lake import Lake
from evals.storage.report_files import (
    PAGE,
    REPORTS,
    locate_report_folder,
    replace_changed,
)

LISTS, TRACES, TOPICS = "failing", "traces", "topics"
"""Folders beside the versions of a night's report."""
COVERS = (f"{LISTS}/{PAGE}", f"{TOPICS}/{PAGE}")
"""Pages of every night, which others link."""
EMPTIED = b"<!doctype html><title>Being written again</title><p>Run <code>andon nightly</code>.</p>"
"""The list of a night whose pages were deleted and are not made again yet."""
GONE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>No longer in this night</title>'
    "<main><h1>This page is no longer part of its night.</h1><p>The answer passes since the night "
    f'was reported again, or it left the night. <a href="../{LISTS}/{PAGE}">The failing answers '
    "there are now</a></p></main></html>"
)
"""What replaces a page that other pages may link."""
SHOWING = ("slices/*/*.html", "evaluators/*/*.html")
"""Pages below the board that show texts of traces."""
NAMED = re.compile(r"[0-9a-f]{24}\.html")
"""The file name of a trace's page."""


class AnswerPages(NamedTuple):
    """The night and application of some pages."""

    night: date
    app: str


def name_trace_page(trace_id: str) -> str:
    """Returns the file name of a trace's page: a hash, for an id may be anything."""
    return f"{digest(trace_id, 24)}.html"


def has_answer_pages(lake: Lake, night: date, app: str) -> bool:
    """Whether the pages of a night's answers were written."""
    return (locate_report_folder(lake, night, app) / LISTS / PAGE).exists()


def write_answer_pages(lake: Lake, night: date, app: str, pages: Iterable[tuple[str, str]]) -> None:
    """Replaces the pages of a night's answers, by name below its folder.

    A page with the same content is left as it is; one that is not written any more becomes `GONE`,
    for pages of other nights and versions may link it.
    """
    folder = locate_report_folder(lake, night, app)
    written: set[Path] = set()
    for name, page in pages:
        path = folder / name
        replace_changed(path, page)
        written.add(path)
    for path in list_files(folder):
        if path not in written:
            replace_changed(path, GONE)


def write_topics_page(lake: Lake, night: date, app: str, page: str) -> None:
    """Replaces the page of a night's topics."""
    replace_changed(locate_report_folder(lake, night, app) / TOPICS / PAGE, page)


def list_files(folder: Path) -> list[Path]:
    """Lists the pages of the answers below a night's folder."""
    return [path for name in (LISTS, TRACES) for path in sorted((folder / name).glob("*.html"))]


def empty_answer_pages(lake: Lake, night: date, app: str) -> None:
    """Deletes the pages of a night's answers; `list_emptied` lists it until they are written."""
    folder = locate_report_folder(lake, night, app)
    for cover in COVERS:
        if (folder / cover).exists() or cover == COVERS[0]:
            replace(folder / cover, EMPTIED)
    shutil.rmtree(folder / TRACES, ignore_errors=True)
    for path in (folder / LISTS).glob("*.html"):
        if path.name != PAGE:
            path.unlink(missing_ok=True)


def list_emptied(lake: Lake) -> list[AnswerPages]:
    """Lists the nights whose pages were deleted and are not written again."""
    return [
        pages
        for pages, folder in list_folders(lake)
        if (folder / LISTS / PAGE).read_bytes() == EMPTIED
    ]


def list_about(lake: Lake, traces: Collection[str]) -> list[AnswerPages]:
    """Lists the nights that have a page of one of some traces, or show it beside another."""
    names = {name_trace_page(trace) for trace in traces}
    return [
        pages
        for pages, folder in list_folders(lake)
        if not names.isdisjoint(path.name for path in (folder / TRACES).glob("*.html"))
        or mentions_trace(folder / TOPICS / PAGE, names)
        or any(mentions_trace(path, names) for path in (folder / TRACES).glob("*.html"))
    ]


def mentions_trace(path: Path, names: Collection[str]) -> bool:
    """Whether a page shows one of some traces, which pages of traces are named after."""
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    return not set(names).isdisjoint(NAMED.findall(text))


def empty_pages_about(lake: Lake, traces: Collection[str]) -> None:
    """Replaces the pages of slices and evaluators that show some traces; a board renews them."""
    names = {name_trace_page(trace) for trace in traces}
    for pattern in SHOWING:
        for name in lake.store.list_names(f"{REPORTS}/{pattern}"):
            if mentions_trace(lake.store.path(name), names):
                lake.store.replace(name, EMPTIED)


def list_folders(lake: Lake) -> Iterator[tuple[AnswerPages, Path]]:
    """Yields each night with such pages, and its folder."""
    for name in lake.store.list_names(f"{REPORTS}/*/*/{LISTS}/{PAGE}"):
        _, night, app, *_ = name.split("/")
        yield AnswerPages(date.fromisoformat(night), app), lake.store.path(name).parent.parent
