"""The console that tables and bars are drawn on: it reads no markup in texts.

Styles are passed as styles (`rich.text.Text`, `style=`). Imported late: Rich is heavy. Plain lines
are printed by `terminal`.
"""

import sys
from typing import NoReturn

from rich.console import Console as Rich  # noqa: TID251  the one place
from rich.console import HighlighterType, JustifyMethod, OverflowMethod  # noqa: TID251
from rich.style import Style
from rich.text import Text

from evals.readable import make_readable

WIDTH = 140
"""Columns of an output that is no terminal."""


class Console(Rich):
    """Prints every string as text, without markup, emoji codes or links."""

    def render_str(
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        emoji: bool | None = None,
        markup: bool | None = None,
        highlight: bool | None = None,
        highlighter: HighlighterType | None = None,
    ) -> Text:
        """Escapes hidden characters of a string; ignores `emoji`, `markup` and `highlight`."""
        return super().render_str(
            make_readable(text),
            style=style,
            justify=justify,
            overflow=overflow,
            emoji=False,
            markup=False,
            highlight=False,
            highlighter=highlighter,
        )

    def on_broken_pipe(self) -> NoReturn:
        """Raises an error for the command to handle; Rich would exit with 1."""
        raise BrokenPipeError


def open_stdout() -> Console:
    """Opens a console on standard output."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)  # noqa: TID251  prints nothing


def open_stderr() -> Console:
    """Opens a console on standard error, for output that disappears at the end."""
    return Console(stderr=True)
