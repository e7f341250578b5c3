"""Links to the pages of traces, which may belong to another night than the page that links them.

A page is linked only where it exists; `storage.answer_pages` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Protocol

from evals.storage.answer_pages import TRACES, name_trace_page
from evals.storage.report_files import REDACTION_MARKS

HasPage = Callable[[str], bool]
"""Whether there is a page of a name below the board."""
NEAR = (0, -1, 1)
"""Days between the date of a trace and its night, the likeliest first."""


class Placed(Protocol):
    """A trace that a page shows."""

    @property
    def trace_id(self) -> str:
        """Its id; a mark where it was deleted."""
        ...

    @property
    def ts(self) -> str | None:
        """When it began, in ISO form."""
        ...


def assume_page(name: str) -> bool:
    """Assumes that every page exists, for a page that is rendered outside a home."""
    return bool(name)


def lack_page(name: str) -> bool:
    """Assumes that no page exists."""
    del name
    return False


def locate_traces(
    shown: Iterable[Placed], night: date, app: str, has_page: HasPage, up: str
) -> dict[str, str]:
    """Returns links to the pages of some traces, by id; none to a page that does not exist.

    Args:
        shown: traces of an application.
        night: their likeliest night.
        app: the application.
        has_page: whether a page exists.
        up: the way from the page to the board, such as `../../`.
    """
    return {
        one.trace_id: f"{up}{name}"
        for one in shown
        if one.trace_id not in REDACTION_MARKS and (name := find_page(one, night, app, has_page))
    }


def find_page(one: Placed, night: date, app: str, has_page: HasPage) -> str | None:
    """Finds the page of a trace below the board: of the likeliest night, or of one on its date."""
    page = f"{app}/{TRACES}/{name_trace_page(one.trace_id)}"
    for day in dict.fromkeys([night, *list_days(one.ts)]):
        if has_page(f"{day.isoformat()}/{page}"):
            return f"{day.isoformat()}/{page}"
    return None


def list_days(ts: str | None) -> list[date]:
    """Lists the nights to which a time may belong, for a night may begin at another hour."""
    try:
        day = date.fromisoformat((ts or "")[:10])
    except ValueError:
        return []
    return [day + timedelta(days=days) for days in NEAR if date.min < day < date.max]
