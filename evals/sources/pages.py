"""What a system's module offers: pages of rows, each row with the trace it belongs to.

How pages are kept and when they land is `pulling`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from evals.sources.api import Api, SourceError
from evals.specs import Source


class Row(NamedTuple):
    """A row as the API gave it."""

    subject: str
    """What has to land in one piece: a trace's id, or a score's own."""
    ts: str
    """When it began, ISO and UTC."""
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

    def opened(self, source: Source) -> Api:
        """Its API, with keys from the environment."""
        ...

    def pages(
        self, api: Api, source: Source, project: str, span: tuple[str, str], position: str | None
    ) -> Iterator[Page]:
        """The pages of a project between two moments, from a position on."""
        ...


def key(source: Source, variable: str | None) -> str | None:
    """A key from the environment.

    Raises:
        SourceError: naming the variable that is not set.
    """
    found = os.environ.get(variable) if variable else None
    if variable and not found:
        raise SourceError(f"{source.name}: set {variable} to its key, or name another in key_env")
    return found


def iso(moment: datetime) -> str:
    """A moment as every API reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
