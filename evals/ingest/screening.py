"""Selects the rows of a batch that may have private data; `privacy` filters those one by one.

The other rows are processed by column. A false alarm here only costs time; what is private is
decided in `privacy`.
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
from evals.privacy.redaction import name_without_secrets
from evals.privacy.row_filter import NAMES, PERSONAL, TEXTS, PrivacyFilter, find_replacement
from evals.records import Json, Trace
from evals.traces.reader import Columns
from evals.traces.rows.fields import DEFAULTS, NESTED
from evals.traces.rows.timestamps import EPOCH

IDS = ("trace_id", "session_id")
PERSONAL_LINES = re.compile(PERSONAL.pattern, re.MULTILINE)


def screen_rows(
    privacy: PrivacyFilter, columns: Columns, origin: dict[str, str], latest: datetime
) -> tuple[Columns, list[Trace]]:
    """Returns the rows without private data, ready to store, and the others as they were read.

    Rows with an implausible timestamp are among the others.

    Args:
        privacy: the filter of every row.
        columns: the rows.
        origin: the `source_file` and `source_format` of all of them.
        latest: the latest plausible timestamp.
    """
    suspects = {*find_suspicious(privacy, columns), *find_misdated(columns, latest)}
    apart = [build_trace(columns, n, origin) for n in sorted(suspects)]
    rest = [n for n in range(columns.size) if n not in suspects] if suspects else None
    cells = {
        field: column if rest is None else [column[n] for n in rest]
        for field, column in columns.cells.items()
    }
    if users := cells.get("user_id"):
        hashed = {user: privacy.hash_user(user) for user in set(users)}
        cells["user_id"] = [hashed[user] for user in users]
    return Columns(columns.size if rest is None else len(rest), cells), apart


def find_suspicious(privacy: PrivacyFilter, columns: Columns) -> Iterator[int]:
    """Yields the positions of rows that may have private data or may have been erased."""
    cells = columns.cells
    apps = sorted(set(cells["app"]))
    kinds = {kind for app in apps for kind in privacy.list_redacted_kinds(app)}
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
    if privacy.erased.traces or privacy.erased.users or privacy.erased.nights:
        yield from find_forgotten(privacy, columns)


def find_misdated(columns: Columns, latest: datetime) -> list[int]:
    """Returns the positions of rows with an implausible timestamp."""
    first, last = ((at - EPOCH) // timedelta(microseconds=1) for at in (EARLIEST, latest))
    moments = columns.cells["ts"]
    if not columns.size or first <= min(moments) <= max(moments) <= last:
        return []
    return [n for n, at in enumerate(moments) if not first <= at <= last]


def find_hints(screen: detectors.Screen, column: Sequence[str | None]) -> Iterator[int]:
    """Yields the positions of cells with a hint; first screens all as one text, mostly enough."""
    if screen.match_kinds("\n".join(filter(None, column))):
        yield from (n for n, cell in enumerate(column) if cell and screen.match_kinds(cell))


def find_personal_ids(column: Sequence[str | None]) -> Iterator[int]:
    """Yields the positions of ids that may be personal data or a secret."""
    together = "\n".join(filter(None, column))
    if PERSONAL_LINES.search(together) or detectors.may_be_key(together):
        for n, cell in enumerate(column):
            if cell and (PERSONAL.search(cell) or detectors.may_be_key(cell)):
                yield n


def find_named_users(columns: Columns) -> Iterator[int]:
    """Yields the positions of rows whose texts contain their user's id."""
    for n, user in enumerate(columns.cells.get("user_id", ())):
        if find_replacement(user, "hashed"):
            escaped = json.dumps(user, ensure_ascii=False)[1:-1]
            texts = (columns.cells[field][n] for field in TEXTS if field in columns.cells)
            if any(text and (user in text or escaped in text) for text in texts):
                yield n


def find_forgotten(privacy: PrivacyFilter, columns: Columns) -> Iterator[int]:
    """Yields the positions of rows that were erased or whose night was deleted."""
    cells = columns.cells
    users = cells.get("user_id", [None] * columns.size)
    shift = EPOCH - timedelta(hours=privacy.catalog.day_begins)
    rows = zip(cells["trace_id"], users, cells["ts"], strict=True)
    for n, (trace_id, user, ts) in enumerate(rows):
        is_erased = user and privacy.hash_user(user) in privacy.erased.users
        if (
            is_erased
            or (shift + timedelta(microseconds=ts)).date() in privacy.erased.nights
            or privacy.is_forgotten(trace_id)
        ):
            yield n


@functools.cache
def default_values() -> dict[str, Any]:
    """Returns the value of each field that no row has, as in a record."""
    return {field: from_cell(field, default) for field, default in DEFAULTS.items()}


def from_cell(field: str, cell: Any) -> Any:
    """Returns a cell's value as in a record."""
    if cell is None:
        return None
    if field == "ts":
        return EPOCH + timedelta(microseconds=cell)
    if field not in NESTED:
        return cell
    value: Json = json.loads(cell)
    return tuple(value) if isinstance(value, list) else value


def build_trace(columns: Columns, place: int, origin: dict[str, str]) -> Trace:
    """Builds one row's record."""
    cells = {field: from_cell(field, column[place]) for field, column in columns.cells.items()}
    values: dict[str, Any] = {**default_values(), **cells, **origin}
    return Trace(**values)
