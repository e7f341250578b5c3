"""The sources whose last pull failed, and since when, for the board and the doctor to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from evals.storage.lake import Lake

NAME = "failed_sources.json"


class FailedSource(NamedTuple):
    """A source whose last pull failed."""

    source: str
    since: str
    """When a pull of it first failed, of those in a row; in ISO form."""
    reasons: tuple[str, ...]
    """Why, of each project of the last pull."""

    def describe(self) -> str:
        """Describes the failure in a sentence without its end."""
        return f"{'; '.join(self.reasons)} (failing since {self.since[:16].replace('T', ' ')} UTC)"


def read_failed_sources(lake: Lake) -> list[FailedSource]:
    """Reads the sources, by name."""
    return lake.read_document(NAME, parse_sources) or []


def parse_sources(rows: list[dict[str, Any]]) -> list[FailedSource]:
    """Returns the document as records."""
    return [FailedSource(row["source"], row["since"], tuple(row["reasons"])) for row in rows]


def record_pull(lake: Lake, source: str, reasons: Sequence[str], now: datetime) -> None:
    """Records why a source could not be pulled; without reasons removes it."""
    with lake.lock("failed-sources"):
        failed = {one.source: one for one in read_failed_sources(lake)}
        before = failed.pop(source, None)
        if not before and not reasons:
            return
        if reasons:
            since = before.since if before else now.isoformat()
            failed[source] = FailedSource(source, since, tuple(reasons))
        lake.replace_document(NAME, [one._asdict() for _, one in sorted(failed.items())])
