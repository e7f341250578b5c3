"""Rate limits and wait times, parsed from a provider's response headers.

`evals.calls` decides how to share the limits.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping

from evals.models.protocol import Limits

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_limits(headers: Mapping[str, str]) -> Limits | None:
    """Parses the rate limits; None when the headers hold none."""
    if not any(f"x-ratelimit-remaining-{what}" in headers for what in ("requests", "tokens")):
        return None

    def read_header(part: str, what: str) -> str | None:
        return headers.get(f"x-ratelimit-{part}-{what}")

    return Limits(
        parse_count(read_header("limit", "requests")),
        parse_count(read_header("remaining", "requests")),
        parse_seconds(read_header("reset", "requests")),
        parse_count(read_header("limit", "tokens")),
        parse_count(read_header("remaining", "tokens")),
        parse_seconds(read_header("reset", "tokens")),
    )


def parse_wait(headers: Mapping[str, str]) -> float | None:
    """Parses the seconds to wait from `Retry-After-Ms` or `Retry-After`; at most an hour."""
    exact = parse_seconds(headers.get("retry-after-ms"))
    header = headers.get("retry-after")
    if exact is not None:
        return min(exact / 1000, 3600.0)
    wait = parse_seconds(header)
    if wait is None and header:
        wait = seconds_until(header, headers.get("date"))
    return None if wait is None else min(wait, 3600.0)


def parse_count(text: str | None) -> int | None:
    """Parses a count that is not negative, or returns None."""
    return int(text) if text and text.isdecimal() and len(text) < 16 else None


def parse_seconds(text: str | None) -> float | None:
    """Parses `6m0s`, `20ms` or `1.5` into seconds, or returns None."""
    if not text or len(text) > 40:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|[dhms]))+", text):
        return None
    return sum(
        float(n) * UNITS[unit] for n, _, unit in re.findall(r"(\d+(\.\d+)?)(ms|[dhms])", text)
    )


def seconds_until(moment: str, now: str | None) -> float | None:
    """Computes the seconds until an HTTP date, by the server's clock where it sends one."""
    try:
        then, here = (
            email.utils.parsedate_to_datetime(text).timestamp() if text else time.time()
            for text in (moment, now)
        )
        return max(0.0, then - here)
    except (TypeError, ValueError):
        return None
