"""Formats figures, dates and untrusted text for people.

No markup and no geometry; what a figure means is decided elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import overload

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


def show_hidden(value: object) -> object:
    """Replaces characters of a text that are invisible or reorder it by their code points."""
    if type(value) is not str or not UNSAFE.search(value):
        return value
    return UNSAFE.sub(lambda match: f"‹U+{ord(match[0]):04X}›", value.replace("\r\n", "\n"))


def indent_json(value: object) -> str:
    """Indents an answer that is JSON; returns any other text unchanged."""
    if not isinstance(value, str):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.dumps(
            json.loads(value, object_pairs_hook=_refuse_repeated_keys), indent=2, ensure_ascii=False
        )
    except (ValueError, RecursionError):
        return value


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Makes a dict of an object; one that repeats a key is shown as it was written."""
    if len(values := dict(pairs)) < len(pairs):
        raise ValueError("a key is repeated")
    return values


def format_percent(share: float | None, low: float | None = None, high: float | None = None) -> str:
    """Formats a share with the digits its interval supports; 0% and 100% only when exact."""
    if share is None:
        return "–"
    half = 1.0 if low is None or high is None else (high - low) / 2
    digits = 0 if half >= 0.01 else 1 if half >= 0.001 else 2
    shown = round(share * 100, digits)
    if shown in (0.0, 100.0) and share not in (0, 1):
        edge = 10**-digits
        return f">{100 - edge:.{digits}f}%" if shown else f"<{edge:.{digits}f}%"
    return f"{shown:.{digits}f}%"


def format_whole_percent(share: float) -> str:
    """Formats a share in whole percent; with a decimal where rounding would give 0% or 100%."""
    shown = f"{100 * share:.0f}%"
    return f"{100 * share:.1f}%" if shown in {"0%", "100%"} and 0 < share < 1 else shown


def format_interval(low: float | None, high: float | None) -> str:
    """Formats an interval of shares: `68–79%`."""
    if low is None or high is None:
        return ""
    digits = 0 if high - low >= 0.02 else 1 if high - low >= 0.002 else 2
    return f"{low * 100:.{digits}f}–{high * 100:.{digits}f}%"


def format_points(change: float | None, low: float | None = None, high: float | None = None) -> str:
    """Formats a change in percentage points: `−17 ± 6`, or `−12, −30 to −3`.

    Shows one half width for both sides unless they differ by more than a tenth, as near 0% and
    100%: then it shows both ends.
    """
    if change is None:
        return "–"
    if low is None or high is None:
        return format_signed(change, 0)
    half = (high - low) / 2
    digits = 0 if half * 100 >= 1 else 1
    if abs((high - change) - half) <= half / 10:
        return f"{format_signed(change, digits)} ± {half * 100:.{digits}f}"
    ends = f"{format_signed(low, digits)} to {format_signed(high, digits)}"
    return f"{format_signed(change, digits)}, {ends}"


def format_signed(difference: float, digits: int) -> str:
    """Formats a difference of shares in percentage points, with its sign."""
    shown = round(difference * 100, digits)
    sign = "−" if shown < 0 else "+" if shown > 0 else ""
    return f"{sign}{abs(shown):.{digits}f}"


def format_dollars(usd: float | None) -> str:
    """Formats US dollars to the cent; sums under a cent with two digits."""
    return "–" if usd is None else f"${usd:,.2f}" if usd >= 0.01 or not usd else f"${usd:.2g}"


def format_day(night: date | str, form: str = "long") -> str:
    """Formats a date: long `Thursday 8 October 2026`, plain without the weekday, short, or month.

    Returns a text that is no date unchanged.
    """
    try:
        at = night if isinstance(night, date) else date.fromisoformat(night)
    except (TypeError, ValueError):
        return str(night)
    month = MONTHS[at.month - 1]
    if form == "short":
        return f"{at.day} {month[:3]}"
    if form == "month":
        return f"{month} {at.year}"
    plain = f"{at.day} {month} {at.year}"
    return plain if form == "plain" else f"{DAYS[at.weekday()]} {plain}"


def capitalize_first(sentence: str) -> str:
    """Returns a sentence that begins with a capital; names in it stay as they are."""
    return sentence[:1].upper() + sentence[1:]


def join_names(names: Sequence[str]) -> str:
    """Joins names for a sentence: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


@overload
def round_figure(value: float) -> float: ...
@overload
def round_figure(value: float | None) -> float | None: ...
def round_figure(value: float | None) -> float | None:
    """Rounds a figure to 8 digits, so that sums in any order hash alike."""
    return None if value is None else round(value, 8) + 0.0


def count_in_words(n: int) -> str:
    """Returns a small count as a word, a large one in digits."""
    return WORDS[n] if n < len(WORDS) else f"{n:,}"
