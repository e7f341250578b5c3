"""What a provider still allows and how long it asks to wait, read from its answer's headers.

How the allowance is shared is decided by whoever asks.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping

from evals.models.protocol import Limits

FIELDS = tuple(
    (part, f"x-ratelimit-{part}-{what}")
    for what in ("requests", "tokens")
    for part in ("limit", "remaining", "reset")
)
SPAN = r"(?P<n>\d+(?:\.\d+)?)(?P<unit>ms|[dhms])"
SPANS = r"(\d+(\.\d+)?(ms|[dhms]))+"
UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def limits_of(headers: Mapping[str, str]) -> Limits | None:
    """The allowance, or None when the headers say nothing of it."""
    if not any(name in headers for part, name in FIELDS if part == "remaining"):
        return None
    found = [
        seconds(headers.get(name)) if part == "reset" else whole(headers.get(name))
        for part, name in FIELDS
    ]
    return Limits(*found)  # pyright: ignore[reportArgumentType]  whole numbers where it says so


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as `Retry-After` or its sharper sister says; never more than an hour."""
    exact = seconds(headers.get("retry-after-ms"))
    said = headers.get("retry-after")
    if exact is not None:
        return min(exact / 1000, 3600.0)
    wait = seconds(said)
    if wait is None and said:
        wait = until(said, headers.get("date"))
    return None if wait is None else min(wait, 3600.0)


def whole(text: str | None) -> int | None:
    """A count that is not negative, or None."""
    return int(text) if text and text.isdecimal() and len(text) < 16 else None


def seconds(text: str | None) -> float | None:
    """`6m0s`, `20ms`, `1.5` as seconds, or None."""
    if not text or len(text) > 40:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|[dhms]))+", text):
        return None
    return sum(
        float(n) * UNITS[unit] for n, _, unit in re.findall(r"(\d+(\.\d+)?)(ms|[dhms])", text)
    )


def until(moment: str, now: str | None) -> float | None:
    """Seconds to an HTTP date from the server's own clock, from ours where it tells no time."""
    try:
        then, here = (
            email.utils.parsedate_to_datetime(text).timestamp() if text else time.time()
            for text in (moment, now)
        )
        return max(0.0, then - here)
    except (TypeError, ValueError):
        return None
