"""Figures, dates and untrusted text as a person reads them.

No markup and no geometry; what a figure means is decided before it comes here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any, overload

WORDS = (
    "none", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that are invisible, reorder text or cannot be written as UTF-8."""


def visible(value: Any) -> Any:
    """Text with every character that could hide or reorder made visible; other values as is."""
    if type(value) is not str or not UNSAFE.search(value):
        return value
    return UNSAFE.sub(lambda found: f"‹U+{ord(found[0]):04X}›", value.replace("\r\n", "\n"))


def natural(value: Any) -> str:
    """An answer as a person would write it down: JSON indented, anything else unchanged."""
    if not isinstance(value, str):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.dumps(
            json.loads(value, object_pairs_hook=_distinct), indent=2, ensure_ascii=False
        )
    except (ValueError, RecursionError):
        return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as a dict; one that repeats a key is left as it was written."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key is repeated")
    return found


def percent(share: float | None, low: float | None = None, high: float | None = None) -> str:
    """A share in percent, with the digits its interval supports; 0% and 100% only when exact."""
    if share is None:
        return "–"
    half = 1.0 if low is None or high is None else (high - low) / 2
    digits = 0 if half >= 0.005 else 1 if half >= 0.0005 else 2
    shown = round(share * 100, digits)
    if shown in (0.0, 100.0) and share not in (0, 1):
        edge = 10**-digits
        return f">{100 - edge:.{digits}f}%" if shown else f"<{edge:.{digits}f}%"
    return f"{shown:.{digits}f}%"


def whole_percent(share: float) -> str:
    """A share in whole percent; a decimal where rounding would claim all or none."""
    shown = f"{100 * share:.0f}%"
    return f"{100 * share:.1f}%" if shown in {"0%", "100%"} and 0 < share < 1 else shown


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares: `68–79%`."""
    if low is None or high is None:
        return ""
    digits = 0 if high - low >= 0.01 else 1 if high - low >= 0.001 else 2
    return f"{low * 100:.{digits}f}–{high * 100:.{digits}f}%"


def points(change: float | None, low: float | None = None, high: float | None = None) -> str:
    """A change in percentage points with its interval: `−17 ± 6`, or `−12, −30 to −3`.

    One half width is shown for both sides unless they differ by more than a tenth, as near 0% and
    100%: then both are named.
    """
    if change is None:
        return "–"
    if low is None or high is None:
        return signed(change, 0)
    half = (high - low) / 2
    digits = 0 if half * 100 >= 0.5 else 1
    if abs((high - change) - half) <= half / 10:
        return f"{signed(change, digits)} ± {half * 100:.{digits}f}"
    return f"{signed(change, digits)}, {signed(low, digits)} to {signed(high, digits)}"


def signed(difference: float, digits: int) -> str:
    """A difference of shares in percentage points, with its sign."""
    shown = round(difference * 100, digits)
    sign = "−" if shown < 0 else "+" if shown > 0 else ""
    return f"{sign}{abs(shown):.{digits}f}"


def dollars(usd: float | None) -> str:
    """US dollars to the cent; sums under a cent to two digits."""
    return "–" if usd is None else f"${usd:,.2f}" if usd >= 0.01 or not usd else f"${usd:.2g}"


def day(night: date | str, form: str = "long") -> str:
    """A night's date in words: long `Thursday 8 October 2026`, plain without the weekday, or short.

    A text that is no date is given back as it is.
    """
    try:
        at = night if isinstance(night, date) else date.fromisoformat(night)
    except (TypeError, ValueError):
        return str(night)
    month = MONTHS[at.month - 1]
    if form == "short":
        return f"{at.day} {month[:3]}"
    plain = f"{at.day} {month} {at.year}"
    return plain if form == "plain" else f"{DAYS[at.weekday()]} {plain}"


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


@overload
def round_figure(value: float) -> float: ...
@overload
def round_figure(value: float | None) -> float | None: ...
def round_figure(value: float | None) -> float | None:
    """A figure without the noise of floating point: sums in any order hash alike."""
    return None if value is None else round(value, 8) + 0.0


def number(n: int) -> str:
    """A small count as a word, a large one in digits."""
    return WORDS[n] if n < len(WORDS) else f"{n:,}"
