"""Untrusted text made plain for chats and mail: no mentions, links, markup or second lines.

Targets treat plain text differently: Apprise escapes it for Slack alone, while Discord, Mattermost
and Teams render it as Markdown. So it is made harmless here, for every target alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from evals.readable import make_readable

LOOKALIKES = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "@": "＠",
        "`": "'",
        "*": "∗",
        "~": "∼",
        "|": "¦",
        "[": "(",
        "]": ")",
        "\\": "⧵",
    }
)
"""Characters that begin mentions, links or markup somewhere, and what looks like them."""
EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
SCHEME = re.compile(r":(?=//)")
DOMAIN_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})")
"""A dot as in `example.com`, which chats make a link."""
ELLIPSIS = "…"


def make_plain(text: str, most: int = 300) -> str:
    """Returns untrusted text on one line, bounded, without anything a chat would act on."""
    shown = make_readable(" ".join(text[: 4 * most].split()))
    shown = EDGE_UNDERSCORE.sub("‗", shown.translate(LOOKALIKES))
    shown = DOMAIN_DOT.sub("[.]", SCHEME.sub("[:]", shown))
    return shorten(shown, most)


def shorten(text: str, most: int) -> str:
    """Cuts a text to a number of characters, with an ellipsis."""
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + ELLIPSIS


class Line(NamedTuple):
    """A line of a message."""

    text: str
    rank: int = 0
    """Lines of the highest rank are left out first where a message is too long."""


def fit_lines(lines: Sequence[Line], most: int) -> str:
    """Joins as many lines as a target takes; the first is shortened where even it is too long."""
    kept = list(lines)
    while len(kept) > 1 and sum(len(line.text) + 1 for line in kept) - 1 > most:
        worst = max(line.rank for line in kept[1:])
        index = max(i for i, line in enumerate(kept) if i and line.rank == worst)
        del kept[index]
    return shorten("\n".join(line.text for line in kept), most)
