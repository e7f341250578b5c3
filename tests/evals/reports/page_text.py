"""Renders pages of report bodies, and reads them as a browser would."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from evals.reports.pages.board import render_board
from evals.reports.pages.night import render_night
from tests.evals.reports import report_bodies as bodies

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """What a browser would make of a page: its tags, links and text, and whether it nests."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends: it must be the one begun last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text, but for the style sheet."""
        self.text += "" if self.open and self.open[-1] == "style" else data

    @property
    def links(self) -> list[str]:
        """Where the page leads."""
        return [attrs["href"] or "" for tag, attrs in self.tags if tag == "a"]

    @property
    def words(self) -> str:
        """The text as read, spaces joined."""
        return " ".join(self.text.split())


def read_heading(html: str) -> str:
    """The first line of a page, as read."""
    match = re.search(r"<h1>(.*?)</h1>", html, re.DOTALL)
    assert match
    return " ".join(Page(match[1]).text.replace("\xa0", " ").split())


def render_body(body: dict[str, Any], history: list[dict[str, Any]] | None = None) -> str:
    """The page of a night."""
    return render_night(bodies.typed(body), history=[bodies.typed(one) for one in history or []])


def render_bodies(*reports: dict[str, Any], run: dict[str, Any] | None = None) -> str:
    """The board over some reports."""
    return render_board([bodies.typed(one) for one in reports], run=run)


class Crawl(NamedTuple):
    """The pages that links lead to."""

    reached: set[Path]
    broken: set[str]
    """Links to files that do not exist, with the page that has them."""


def follow_links(start: Path) -> Crawl:
    """Follows every link to a file from a page on, but for those within Data Docs."""
    reached, broken, waiting = {start}, set[str](), [start]
    while waiting:
        page = waiting.pop()
        for href in Page(page.read_text("utf-8")).links:
            path, _, _ = href.partition("#")
            if not path or "://" in path:
                continue
            target = (page.parent / unquote(path)).resolve()
            if not target.exists():
                broken.add(f"{page}: {href}")
            elif target not in reached:
                reached.add(target)
                waiting += (
                    [target] if target.suffix == ".html" and "data_docs" not in target.parts else []
                )
    return Crawl(reached, broken)
