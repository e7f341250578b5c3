"""Which rows of a batch hold anything private: those go through `privacy` one by one.

Rows that hold nothing are made ready by the column. A row too many here costs time, never a
finding; what is private, and what becomes of it, is `privacy`'s to say.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from evals.ingest.timestamp_limits import EARLIEST
from evals.privacy import detectors
from evals.privacy.redaction import (
    NAMES,
    PERSONAL,
    TEXTS,
    PrivacyFilter,
    find_replacement,
    name_without_secrets,
)
from evals.records import Trace
from evals.traces.reader import Columns
from evals.traces.rows.shapes import DEFAULTS, EPOCH, NESTED

IDS = ("trace_id", "session_id")
PERSONAL_LINES = re.compile(PERSONAL.pattern, re.MULTILINE)


def screen_rows(
    door: PrivacyFilter, columns: Columns, whence: dict[str, str], latest: datetime
) -> tuple[Columns, list[Trace]]:
    """The rows that hold nothing private as they may rest, and the others as they were read.

    A row of an unbelievable moment is among the others too.

    Args:
        door: what every row passes.
        columns: the rows.
        whence: the `source_file` and `source_format` of all of them.
        latest: the last moment that is believed.
    """
    suspects = {*find_suspicious(door, columns), *find_misdated(columns, latest)}
    apart = [build_trace(columns, n, whence) for n in sorted(suspects)]
    rest = [n for n in range(columns.size) if n not in suspects] if suspects else None
    cells = {
        field: column if rest is None else [column[n] for n in rest]
        for field, column in columns.cells.items()
    }
    if users := cells.get("user_id"):
        hashed = {user: door.hash_user(user) for user in set(users)}
        cells["user_id"] = [hashed[user] for user in users]
    return Columns(columns.size if rest is None else len(rest), cells), apart


def find_suspicious(door: PrivacyFilter, columns: Columns) -> Iterator[int]:
    """Positions of rows that may hold something private, or may not rest at all."""
    cells = columns.cells
    apps = sorted(set(cells["app"]))
    kinds = {kind for app in apps for kind in door.list_redacted_kinds(app)}
    screen = detectors.build_screen((*sorted(kinds), *detectors.SECRET_KINDS))
    for field in TEXTS:
        if field in cells:
            yield from find_hints(screen, cells[field])
    for field in NAMES:
        if field in cells:
            odd = {
                name for name in set(cells[field]) if name and name_without_secrets(name) != name
            }
            yield from (n for n, name in enumerate(cells[field]) if name in odd) if odd else ()
    for field in IDS:
        if field in cells:
            yield from find_personal_ids(cells[field])
    yield from find_named_users(columns)
    if door.erased.traces or door.erased.users or door.erased.nights:
        yield from find_forgotten(door, columns)


def find_misdated(columns: Columns, latest: datetime) -> list[int]:
    """Positions of rows before or after any moment that is believed."""
    first, last = ((at - EPOCH) // timedelta(microseconds=1) for at in (EARLIEST, latest))
    moments = columns.cells["ts"]
    if not columns.size or first <= min(moments) <= max(moments) <= last:
        return []
    return [n for n, at in enumerate(moments) if not first <= at <= last]


def find_hints(screen: detectors.Screen, column: Sequence[str | None]) -> Iterator[int]:
    """Positions of cells with a hint; all are looked at as one text, for mostly there is none."""
    if screen.match_kinds("\n".join(filter(None, column))):
        yield from (n for n, cell in enumerate(column) if cell and screen.match_kinds(cell))


def find_personal_ids(column: Sequence[str | None]) -> Iterator[int]:
    """Positions of ids that may be somebody's address, or a secret."""
    together = "\n".join(filter(None, column))
    if PERSONAL_LINES.search(together) or detectors.may_be_key(together):
        for n, cell in enumerate(column):
            if cell and (PERSONAL.search(cell) or detectors.may_be_key(cell)):
                yield n


def find_named_users(columns: Columns) -> Iterator[int]:
    """Positions of rows whose texts name their user."""
    for n, user in enumerate(columns.cells.get("user_id", ())):
        if find_replacement(user, "hashed"):
            spelled = json.dumps(user, ensure_ascii=False)[1:-1]
            texts = (columns.cells[field][n] for field in TEXTS if field in columns.cells)
            if any(text and (user in text or spelled in text) for text in texts):
                yield n


def find_forgotten(door: PrivacyFilter, columns: Columns) -> Iterator[int]:
    """Positions of rows that were forgotten, or whose night is closed."""
    cells = columns.cells
    users = cells.get("user_id", [None] * columns.size)
    shift = EPOCH - timedelta(hours=door.catalog.day_begins)
    rows = zip(cells["trace_id"], users, cells["ts"], strict=True)
    for n, (trace_id, user, ts) in enumerate(rows):
        known = user and door.hash_user(user) in door.erased.users
        if (
            known
            or (shift + timedelta(microseconds=ts)).date() in door.erased.nights
            or door.is_forgotten(trace_id)
        ):
            yield n


@functools.cache
def default_values() -> dict[str, Any]:
    """What a field holds that no row names, as a record holds it."""
    return {field: from_cell(field, default) for field, default in DEFAULTS.items()}


def from_cell(field: str, cell: Any) -> Any:
    """A cell as a record holds it."""
    if cell is None:
        return None
    if field == "ts":
        return EPOCH + timedelta(microseconds=cell)
    if field not in NESTED:
        return cell
    value = json.loads(cell)
    return tuple(value) if type(value) is list else value


def build_trace(columns: Columns, place: int, whence: dict[str, str]) -> Trace:
    """One row as a record."""
    cells = {field: from_cell(field, column[place]) for field, column in columns.cells.items()}
    return Trace(**{**default_values(), **cells, **whence})
