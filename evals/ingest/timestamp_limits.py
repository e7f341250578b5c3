"""When a row can have happened: one of another century has another unit, and belongs to no night.

A clock that is some minutes ahead is told by the check `clock_not_ahead`, and its row accepted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evals.ingest.raw_rows import rebuild_raw
from evals.records import Refusal, Trace
from evals.traces.files.streams import KEPT

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Seconds read as milliseconds are of January 1970."""
MAX_AHEAD = timedelta(days=1)
"""No clock of an exporter, and no zone left out, is further ahead of when its file is read."""


def latest_allowed(read_at: datetime | None) -> datetime:
    """The last moment that is believed of a file read then; any, where that is not known."""
    return read_at + MAX_AHEAD if read_at else datetime.max.replace(tzinfo=UTC)


def check_timestamp(row: Trace | Refusal, read_at: datetime | None) -> Trace | Refusal:
    """The row, or the refusal of one whose moment is a mistake; it is ready to rest."""
    if isinstance(row, Refusal) or EARLIEST <= row.ts <= latest_allowed(read_at):
        return row
    if row.ts < EARLIEST:
        code, what = "ancient-timestamp", f"before {EARLIEST:%Y}"
    else:
        code, what = "future-timestamp", "more than a day ahead of when its file was read"
    reason = (
        f"The timestamp ({row.ts:%Y-%m-%d %H:%M} UTC) is {what}: another unit, year or zone? "
        "Name its form under `format` in the mapping, or mend the export; then "
        "`andon quarantine replay`."
    )
    about = (row.source_file, row.source_line, code, reason, rebuild_raw(row)[:KEPT])
    return Refusal(*about, app=row.app, trace_id=row.trace_id)
