"""What a system's module provides: pages of rows, each row with the trace it belongs to.

`pulls` decides how pages are stored and when their rows land.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from evals.records import Json, JsonLike, digest
from evals.sources.api import Api, SourceError
from evals.sources.json_shapes import Object
from evals.specs import Source
from evals.traces.rows.timestamps import parse_iso_text

MAX_EMPTY_PAGES = 100
"""After more empty pages in a row a listing counts as endless."""


class Row(NamedTuple):
    """A row as the API returned it."""

    own: str
    """Its own id; of two rows that share it the later replaces the earlier."""
    subject: str
    """What has to land in one piece: a trace's id, or a score's own."""
    ts: str
    """When it began, in the API's format; empty where the API gives no text."""
    whole: bool
    """Whether its subject begins with it: a root, or the subject's only row."""
    trace: str
    """The id of the trace it is part of or about."""
    body: Object


class Page(NamedTuple):
    """A page of rows, and the position of the next one; None after the last."""

    rows: list[Row]
    next: str | None
    listing: str = ""
    """What the page lists, in the plural: traces, scores, runs."""
    total: int | None = None
    """How many rows the API counts in the whole listing; None where it does not say."""


class TimeRange(NamedTuple):
    """The moments between which rows are listed, in ISO form; the end is excluded."""

    start: str
    end: str


class System(Protocol):
    """A system's module."""

    def open_api(self, source: Source) -> Api:
        """Returns a client with the keys from the environment."""
        ...

    def read_pages(
        self, api: Api, source: Source, project: str, during: TimeRange, position: str | None
    ) -> Iterator[Page]:
        """Yields the pages of a project in a time range, from a position on."""
        ...

    def list_ids(
        self, api: Api, source: Source, project: str, during: TimeRange, listing: str
    ) -> Iterator[str]:
        """Yields the own ids of the rows of a listing that the API counts."""
        ...


class LoopDetector:
    """Detects listings that return the same page again, or empty pages without end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: set[str] = set()
        self.empty = 0

    def check_page(self, rows: Sequence[JsonLike], following: str | None) -> None:
        """Records a page and the cursor that follows it.

        Raises:
            SourceError: either was seen before, or too many pages in a row are empty.
        """
        self.empty = 0 if rows else self.empty + 1
        marks = {digest(rows)} if rows else set[str]()
        if following is not None:
            marks.add(f"next {following}")
        if marks & self.seen or self.empty > MAX_EMPTY_PAGES:
            raise SourceError(
                f"{self.name}: pagination loop detected; what was pulled is kept, run it again "
                "later"
            )
        self.seen |= marks


def read_key(source: Source, variable: str | None) -> str | None:
    """Returns a key from the environment, without surrounding space.

    Raises:
        SourceError: the variable is not set, or its value cannot be a key.
    """
    key = os.environ.get(variable, "").strip() if variable else None
    if variable and not key:
        raise SourceError(f"{source.name}: set {variable} to its key, or name another in key_env")
    if key and not re.fullmatch(r"[!-~]+", key):
        raise SourceError(
            f"{source.name}: {variable} contains a space, a line break or a character outside "
            "ASCII; set it to the key alone"
        )
    return key


def to_iso(moment: datetime) -> str:
    """Formats a moment as every API reads it; texts sort as their moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_timestamp(text: Json) -> datetime | None:
    """Parses an API's timestamp, in UTC where it has no zone; None where it is none."""
    if type(text) is not str:
        return None
    try:
        moment = parse_iso_text(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
