"""The way to standard output and error: lines, errors, JSON documents.

Texts of others are only text: hidden characters are spelled out here and nowhere else. Tables and
bars are drawn on `console`; what is said is the commands'.
"""

import json
import traceback
from typing import Any

import click

from evals.readable import HIDDEN, readable


def say(line: str, *, err: bool = False) -> None:
    """Prints one line; a newline within it is spelled out too."""
    click.echo(readable(line), err=err)


def complain(message: str) -> None:
    """Prints an error on stderr; its further lines are indented, so that none looks like ours."""
    click.echo(f"andon: {lines(message)}", err=True)


def lines(message: str) -> str:
    """A message of one line or several, each of them readable."""
    return "\n  ".join(readable(line.expandtabs(4)) for line in message.split("\n"))


def show(value: Any) -> None:
    """Prints one JSON document."""
    click.echo(document(value, indent=2))


def document(value: Any, indent: int | None = None) -> str:
    """A value as JSON; JSON's own escapes stand for characters a terminal must not be sent."""
    text = json.dumps(value, indent=indent, default=str, ensure_ascii=False)
    return HIDDEN.sub(lambda found: found[0] if found[0] == "\n" else escape(found[0]), text)


def escape(char: str) -> str:
    """A character as JSON spells it in ASCII."""
    return json.dumps(char)[1:-1]


def trace() -> None:
    """Prints the stack of the exception under way."""
    for line in traceback.format_exc().rstrip("\n").split("\n"):
        say(line, err=True)
