"""The way to standard output and error: lines, errors, JSON documents.

Texts of others are only text: hidden characters are spelled out here and nowhere else. Tables and
bars are drawn on `console`; what is said is the commands'.
"""

import contextlib
import io
import json
import sys
import traceback
from typing import Any

import click

from evals.readable import HIDDEN, make_readable


def print_in_any_encoding() -> None:
    """Prints as an escape what the terminal's encoding lacks, rather than end in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # a pipe took the place of its file: it cannot seek
                stream.reconfigure(errors="backslashreplace")


def say(line: str, *, err: bool = False) -> None:
    """Prints one line; a newline within it is spelled out too."""
    click.echo(make_readable(line), err=err)


def complain(message: str) -> None:
    """Prints an error on stderr; its further lines are indented, so that none looks like ours."""
    click.echo(f"andon: {lines(message)}", err=True)


def lines(message: str) -> str:
    """A message of one line or several, each of them readable."""
    return "\n  ".join(make_readable(line.expandtabs(4)) for line in message.split("\n"))


def show(value: Any) -> None:
    """Prints one JSON document."""
    click.echo(document(value, indent=2))


def document(value: Any, indent: int | None = None) -> str:
    """A value as JSON; its own escapes replace what a terminal must not, or cannot, be sent."""
    unicode = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    text = json.dumps(value, indent=indent, default=str, ensure_ascii=not unicode)
    return HIDDEN.sub(lambda found: found[0] if found[0] == "\n" else escape(found[0]), text)


def escape(char: str) -> str:
    """A character as JSON spells it in ASCII."""
    return json.dumps(char)[1:-1]


def trace() -> None:
    """Prints the stack of the exception under way."""
    for line in traceback.format_exc().rstrip("\n").split("\n"):
        say(line, err=True)
