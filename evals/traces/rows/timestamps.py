"""When a request began: parses a row's timestamp, or assumes a date where it has none.

An ambiguous format is refused until a mapping names it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from evals.records import Json
from evals.traces.files.strict_json import Refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEARS = range(1970, 2201)
"""A year outside comes from a wrong unit, and overflows later computations."""
EPOCHS = {"epoch": 1.0, "epoch_ms": 1e-3}
ZONE_ASSUMED = "assumed-utc"
AMBIGUOUS, SKIPPED = "ambiguous", "skipped"
"""Local times that the clock showed twice, and those that it never showed."""


class ReadTimestamp(NamedTuple):
    """A moment in UTC, and what was assumed of its zone; empty where nothing was."""

    moment: datetime
    note: str


def read_timestamp(
    value: Json, form: str | None = None, zone: ZoneInfo | None = None
) -> ReadTimestamp:
    """Parses a timestamp.

    Args:
        value: ISO 8601 text, or a value in the format `form`.
        form: A strptime format, `epoch` (seconds) or `epoch_ms`; ISO is accepted too.
        zone: The zone of values that name none; None: UTC, which is noted.

    Raises:
        Refused: `bad-timestamp`.
    """
    moment = None
    try:
        if form in EPOCHS:
            moment = parse_epoch(value, EPOCHS[form])
        if moment is None and type(value) is str:
            moment = parse_iso(value)
            if moment is None and form and form not in EPOCHS:
                moment = datetime.strptime(value, form)
        if moment is not None and moment.year in YEARS:
            if moment.tzinfo is None:
                return place_in_zone(moment, zone)
            return ReadTimestamp(moment.astimezone(UTC), "")
    except (ValueError, OverflowError, OSError):
        pass
    raise Refused(
        "bad-timestamp",
        f"The timestamp is not {form or 'ISO 8601'}, "
        f"or its year is not in {YEARS[0]}-{YEARS[-1]}; name its form under `format` "
        "in the mapping (a strptime format, `epoch` or `epoch_ms`).",
    )


def place_in_zone(local: datetime, zone: ZoneInfo | None) -> ReadTimestamp:
    """Converts a local time to UTC.

    Of a time that the clock showed twice, the first is meant; a time that it skipped is read as
    if it had not been changed yet, so that 02:30 becomes 03:30.
    """
    if zone is None:
        return ReadTimestamp(local.replace(tzinfo=UTC), ZONE_ASSUMED)
    first = local.replace(tzinfo=zone)
    before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
    note = ""
    if before is not None and after is not None and before != after:
        note = AMBIGUOUS if before > after else SKIPPED
    return ReadTimestamp(first.astimezone(UTC), note)


def parse_iso(text: str) -> datetime | None:
    """Parses ISO 8601 with dashes, a date as its midnight; None for any other format."""
    if len(text) < 10 or text[4] != "-" or text[7] != "-" or text[10:11] not in ("", "T", "t", " "):
        return None
    return parse_iso_text(text)


def parse_iso_text(text: str) -> datetime:
    """Parses ISO 8601 text; its letters may be lower-case, as in RFC 3339.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text.upper())


def parse_epoch(value: Json, unit: float) -> datetime | None:
    """Parses seconds or milliseconds since 1970; None for text that is no number."""
    if type(value) is str and not value.replace(".", "", 1).removeprefix("-").isdecimal():
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return datetime.fromtimestamp(float(value) * unit, UTC)


def assume_timestamp(day: date, day_begins: int) -> datetime:
    """Returns the middle of a night, for rows without a timestamp."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=day_begins + 12)


def spread_date(trace_id: str, days: tuple[date, date]) -> date:
    """Chooses a day, first and last included, by a hash of the trace id."""
    first, last = days
    drawn = int(hashlib.sha256(trace_id.encode("utf-8", "surrogatepass")).hexdigest()[:15], 16)
    return first + timedelta(days=drawn % ((last - first).days + 1))


def find_night(moment: datetime, day_begins: int) -> date:
    """Returns the night of a moment in UTC, named by the date on which it begins."""
    return (moment - timedelta(hours=day_begins)).date()


def to_microseconds(moment: datetime) -> int:
    """Converts a moment to microseconds since 1970, as the lake stores it."""
    return (moment - EPOCH) // timedelta(microseconds=1)
