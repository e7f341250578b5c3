"""Printing to standard output and error: lines, errors, JSON documents.

Only here are hidden characters in texts from outside escaped. Tables and bars are drawn by
`console`; the commands choose what to print.
"""

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Iterable

import click

from evals.readable import HIDDEN, make_readable


def print_in_any_encoding() -> None:
    """Makes characters that the terminal's encoding lacks print as escapes, not raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # a pipe replaced its file: it cannot seek
                stream.reconfigure(errors="backslashreplace")


def print_line(line: str, *, err: bool = False) -> None:
    """Prints one line; a newline within it is escaped."""
    click.echo(make_readable(line), err=err)


def print_lines(lines: Iterable[str], *, none: str = "", err: bool = False) -> None:
    """Prints lines one after another; where there are none, what to print in their place."""
    for line in [*lines] or filter(None, [none]):
        print_line(line, err=err)


def print_error(message: str) -> None:
    """Prints an error on stderr; indents its further lines, so that none looks like Andon's."""
    click.echo(f"andon: {escape_lines(message)}", err=True)


def escape_lines(message: str) -> str:
    """Escapes the hidden characters of each line of a message."""
    return "\n  ".join(make_readable(line.expandtabs(4)) for line in message.split("\n"))


def print_json(value: object) -> None:
    """Prints one JSON document."""
    click.echo(to_json(value, indent=2))


def to_json(value: object, indent: int | None = None) -> str:
    """Returns a value as JSON, with escapes for what a terminal cannot or must not show."""
    unicode = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    text = json.dumps(value, indent=indent, default=str, ensure_ascii=not unicode)
    return HIDDEN.sub(lambda match: match[0] if match[0] == "\n" else escape_char(match[0]), text)


def escape_char(char: str) -> str:
    """Returns a character as an ASCII escape of JSON."""
    return json.dumps(char)[1:-1]


def print_traceback() -> None:
    """Prints the traceback of the exception being handled."""
    for line in traceback.format_exc().rstrip("\n").split("\n"):
        print_line(line, err=True)
