"""When a request began: a row's own word for it read, or a date assumed where it has none.

Nothing is guessed: a form that could be read two ways is refused until a mapping names it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta

from evals.records import Json
from evals.traces.files.strict_json import Refused

YEARS = range(1970, 2201)
"""A year outside is a mistake of units, and overflows the clocks downstream."""
EPOCHS = {"epoch": 1.0, "epoch_ms": 1e-3}
ZONE_ASSUMED = "assumed-utc"


def read_timestamp(value: Json, form: str | None = None) -> tuple[datetime, bool]:
    """The moment in UTC, and whether its zone had to be assumed.

    Args:
        value: ISO 8601 text, or what `form` says.
        form: A strptime format, `epoch` (seconds) or `epoch_ms`; ISO is read beside it.

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
                return moment.replace(tzinfo=UTC), True
            return moment.astimezone(UTC), False
    except (ValueError, OverflowError, OSError):
        pass
    raise Refused(
        "bad-timestamp",
        f"The timestamp is not {form or 'ISO 8601'}, "
        f"or its year is not in {YEARS[0]}-{YEARS[-1]}; name its form under `format` "
        "in the mapping (a strptime format, `epoch` or `epoch_ms`).",
    )


def parse_iso(text: str) -> datetime | None:
    """ISO 8601 with dashes, a date alone being its midnight; None for any other form."""
    if len(text) < 10 or text[4] != "-" or text[7] != "-" or text[10:11] not in ("", "T", "t", " "):
        return None
    return datetime.fromisoformat(text)


def parse_epoch(value: Json, unit: float) -> datetime | None:
    """Seconds or milliseconds since 1970; None for text that is no number."""
    if type(value) is str and not value.replace(".", "", 1).removeprefix("-").isdecimal():
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return datetime.fromtimestamp(float(value) * unit, UTC)


def assume_timestamp(day: date, day_begins: int) -> datetime:
    """The middle of a night that the user named for rows without a timestamp."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=day_begins + 12)


def spread_date(trace_id: str, days: tuple[date, date]) -> date:
    """The day, first and last included, that a hash of its id gives to a trace."""
    first, last = days
    drawn = int(hashlib.sha256(trace_id.encode("utf-8", "surrogatepass")).hexdigest()[:15], 16)
    return first + timedelta(days=drawn % ((last - first).days + 1))


def night_of(moment: datetime, day_begins: int) -> date:
    """The night a moment in UTC belongs to, named by the date on which it begins."""
    return (moment - timedelta(hours=day_begins)).date()
