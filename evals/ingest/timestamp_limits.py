"""Refuses rows with implausible timestamps, which belong to no night.

A row whose clock is some minutes ahead is accepted; the check `clock_not_ahead` reports it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evals.ingest.raw_rows import rebuild_raw
from evals.records import Refusal, Trace
from evals.traces.files.streams import MAX_STORED

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Seconds misread as milliseconds fall into January 1970."""
MAX_AHEAD = timedelta(days=1)
"""Neither a wrong clock nor a missing zone puts a row further ahead of its file's reading."""


ANCIENT, FUTURE = "ancient-timestamp", "future-timestamp"
TIMESTAMP_CODES = frozenset({ANCIENT, FUTURE})
"""The codes of rows that are refused for their timestamp alone."""


def latest_allowed(read_at: datetime | None) -> datetime:
    """Returns the latest plausible timestamp in a file read at some time; no limit if unknown."""
    return read_at + MAX_AHEAD if read_at else datetime.max.replace(tzinfo=UTC)


def check_timestamp(row: Trace | Refusal, read_at: datetime | None) -> Trace | Refusal:
    """Returns the row, or its refusal if its timestamp is implausible."""
    if isinstance(row, Refusal) or EARLIEST <= row.ts <= latest_allowed(read_at):
        return row
    if row.ts < EARLIEST:
        code, what = ANCIENT, f"before {EARLIEST:%Y}"
    else:
        code, what = FUTURE, "more than a day ahead of when its file was read"
    reason = (
        f"The timestamp ({row.ts:%Y-%m-%d %H:%M} UTC) is {what}: another unit, year or zone? "
        "Name its form under `format` in the mapping, or mend the export; then "
        "`andon quarantine replay`."
    )
    about = (row.source_file, row.source_line, code, reason, rebuild_raw(row)[:MAX_STORED])
    return Refusal(*about, app=row.app, trace_id=row.trace_id)
