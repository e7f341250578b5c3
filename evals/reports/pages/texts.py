"""Untrusted texts cut to a size that a page can have, and links that lead to the web alone.

Escaping is the environment's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from evals.reports.phrases import show_hidden

SOURCE_KEY = re.compile(
    r"(?:(?:trace|run|session|thread|request|span|source|log|observation|html|web|app)[_-]?)?"
    r"(?:url|link|permalink|uri)",
    re.IGNORECASE,
)
"""Keys of metadata under which systems keep the address of a trace."""
LONGEST_URL = 2000
PART = 8192
"""Characters whose hidden ones are shown at a time: each may become eight."""
ESCAPED, TORN = re.compile("‹U\\+[0-9A-F]{4,6}›"), re.compile("‹(U(\\+[0-9A-F]{0,6})?)?$")
"""The spelling of a hidden character, and a part of it at the end of a text."""


class CutText(NamedTuple):
    """A text as a page shows it."""

    text: str
    left_out: int
    """Characters that are left out."""


class SourceLink(NamedTuple):
    """Where a trace is in the system that it came from."""

    url: str
    host: str


def cut_text(text: str, most: int) -> CutText:
    """Returns the beginning of a text, hidden characters shown."""
    shown = show_beginning(text[: most + 1], most)
    if len(text) <= most and len(shown) <= most:
        return CutText(shown, 0)
    kept = TORN.sub("", shown[:most])
    return CutText(kept, max(len(text) - len(ESCAPED.sub(" ", kept)), 1))


def show_beginning(text: str, most: int) -> str:
    """Shows the hidden characters of a text, part by part until there are more than so many."""
    parts: list[str] = []
    start, size = 0, 0
    while start < len(text) and size <= most:
        end = start + PART
        end += text[end - 1 : end + 1] == "\r\n"
        parts.append(str(show_hidden(text[start:end])))
        start, size = end, size + len(parts[-1])
    return "".join(parts)


def shorten(text: str, most: int) -> str:
    """Returns the beginning of a text, hidden characters shown; an ellipsis where there is more."""
    cut = cut_text(text, most)
    return f"{cut.text}…" if cut.left_out else cut.text


def find_source_link(metadata: Mapping[str, object]) -> SourceLink | None:
    """Finds the address of a trace in its metadata: http or https, without a user or a password."""
    for key, value in sorted(metadata.items()):
        if isinstance(value, str) and SOURCE_KEY.fullmatch(key) and (link := parse_link(value)):
            return link
    return None


def parse_link(text: str) -> SourceLink | None:
    """Returns an address of the web; None for anything else."""
    if len(text) > LONGEST_URL or not re.fullmatch(r"https?://[!-~]+", text, re.IGNORECASE):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or "\\" in text:
        return None
    return SourceLink(text, parts.hostname)
