"""What tables and bars are drawn on: a terminal where no text is markup.

Styles are given as styles (`rich.text.Text`, `style=`). Imported late: Rich is heavy. Plain lines
are `terminal`'s.
"""

import sys
from typing import Any

from rich.console import Console as Rich  # noqa: TID251  the one place
from rich.text import Text

from evals.readable import make_readable

WIDTH = 140
"""Columns where the output goes to a file."""


class Console(Rich):
    """Takes every string as text: it reads no markup, emoji code or link, and nothing hidden."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The string as it stands, with hidden characters spelled out."""
        asked = {"markup": False, "emoji": False, "highlight": False}
        return super().render_str(make_readable(text), **{**options, **asked})


def output() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)  # noqa: TID251  prints nothing


def errors() -> Console:
    """Standard error, for what is gone in the end."""
    return Console(stderr=True)
