"""Untrusted text in Markdown: no name, id or sentence can become markup, a link or a mention.

A report as text is in `night_markdown`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from evals.readable import make_readable

PLAIN = re.compile(r"[\w.,:;%()/'\"…–—−+±→?=-]+")
"""A word that may be Markdown as it is, unless `MEANINGFUL` finds something in it."""
MEANINGFUL = re.compile(
    r"://|:\w+:|(?:^|\W)(?:www|ftp|mailto)\b|(?:^|\W)_|_(?:$|\W)|^[=-]+$|\b[Gg][Hh]-\d|[0-9a-f]{7,}",
    re.IGNORECASE,
)
"""Addresses, emoji names, emphasis, rules, and numbers of issues and commits."""
BACKTICKS = re.compile("`+")


def quote_code(text: str, most: int = 200) -> str:
    """Returns a text as a code span on one line, where nothing is markup, a link or a mention."""
    shown = shorten(text, most) or " "
    fence = "`" * (1 + max(map(len, BACKTICKS.findall(shown)), default=0))
    space = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{space}{shown}{space}{fence}"


def quote_prose(text: str, most: int = 600) -> str:
    """Returns a sentence; words that could be more than words in it are code spans."""
    return " ".join(
        word if is_plain(word) else quote_code(word, most) for word in shorten(text, most).split()
    )


def is_plain(word: str) -> bool:
    """Whether a word means nothing in Markdown."""
    return bool(PLAIN.fullmatch(word)) and not MEANINGFUL.search(word)


def shorten(text: str, most: int) -> str:
    """Returns a text on one line, cut after so many characters; hidden ones are escaped."""
    shown = make_readable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def quote_command(*words: str) -> str:
    """Returns a command as a code span; a shell takes each of its words as one."""
    return quote_code(shlex.join(map(make_readable, words)), most=2000)


def build_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yields the lines of a table; a vertical bar in a cell, which would end it, becomes `¦`."""
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    for cells in rows:
        yield f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"
