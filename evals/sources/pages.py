"""What a system's module offers: pages of rows, each row with the trace it belongs to.

How pages are kept and when they land is `pulling`'s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from evals.records import digest
from evals.sources.api import Api, SourceError
from evals.specs import Source

ROUNDS = 100
"""So many pages without a row, one after another, are no listing."""


class Row(NamedTuple):
    """A row as the API gave it."""

    own: str
    """Its own id: of two rows that share it the later is as it is now."""
    subject: str
    """What has to land in one piece: a trace's id, or a score's own."""
    ts: str
    """When it began, as the API spells it."""
    whole: bool
    """Whether its subject begins with it: a root, or a row that is all there is."""
    trace: str
    """The trace it says something of."""
    body: dict[str, Any]


class Page(NamedTuple):
    """A page of rows, and where the next one begins; None after the last."""

    rows: list[Row]
    next: str | None


class System(Protocol):
    """A system's module: how it is reached, and its pages."""

    def open_api(self, source: Source) -> Api:
        """Its API, with keys from the environment."""
        ...

    def read_pages(
        self, api: Api, source: Source, project: str, span: tuple[str, str], position: str | None
    ) -> Iterator[Page]:
        """The pages of a project between two moments, from a position on."""
        ...


class Listing:
    """What a listing gave so far, so that one that goes round in circles is noticed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: set[str] = set()
        self.empty = 0

    def turned(self, rows: Sequence[Any], following: str | None) -> None:
        """Takes note of a page.

        Raises:
            SourceError: it, or what follows it, was given before, or nothing is given for long.
        """
        self.empty = 0 if rows else self.empty + 1
        marks = {digest(rows)} if rows else set()
        marks |= {f"next {following}"} if following is not None else set()
        if marks & self.given or self.empty > ROUNDS:
            raise SourceError(
                f"{self.name}: its listing goes round in circles; what was pulled is kept, run it "
                "again later"
            )
        self.given |= marks


def read_key(source: Source, variable: str | None) -> str | None:
    """A key from the environment, without the space around it.

    Raises:
        SourceError: naming the variable that is not set, or holds what no key is.
    """
    found = os.environ.get(variable, "").strip() if variable else None
    if variable and not found:
        raise SourceError(f"{source.name}: set {variable} to its key, or name another in key_env")
    if found and not re.fullmatch(r"[!-~]+", found):
        raise SourceError(
            f"{source.name}: {variable} holds a space, a line's end or a letter that no key has; "
            "set it to the key alone"
        )
    return found


def to_iso(moment: datetime) -> str:
    """A moment as every API reads it; of two the earlier is also the smaller text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_timestamp(text: Any) -> datetime | None:
    """Parses an API's timestamp, in UTC where it has no zone; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
