"""How far long work is: bars with the time left on a terminal, a line now and then elsewhere.

What the work is says the stage that does it; nothing heavy is imported.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Protocol

from orchestration.runtime import terminal

QUIET_S = 10.0
"""Seconds between two lines where nobody watches a terminal."""


class Teller(Protocol):
    """Hears how far work is."""

    def __call__(self, words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
        """Takes what is being done, how much of it is done, and on which bar that goes."""


def silent(words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
    """Tells nobody."""


class Progress:
    """Where long work says how far it is; one listener a process."""

    listener: Teller | None = None
    calls: int = 0
    planned: int = 0
    """Calls the run expects to make, of the nights it has looked at."""

    @classmethod
    def start(cls, listener: Teller) -> None:
        """A run begins, and somebody listens, unless the teller is silent."""
        cls.listener = None if listener is silent else listener
        cls.calls, cls.planned = 0, 0

    @classmethod
    def say(cls, words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
        """Tells the listener, if there is one."""
        if cls.listener:
            cls.listener(words, done, of, bar)

    @classmethod
    def expect(cls, count: int) -> None:
        """Adds calls that are wanted to those the run expects to make."""
        if count:
            cls.planned += count
            cls.say("asking models", cls.calls, cls.planned, "calls")

    @classmethod
    def asked(cls, count: int) -> None:
        """Counts calls that were answered."""
        cls.calls += count
        cls.say("asking models", cls.calls, max(cls.planned, cls.calls), "calls")


def each(words: str, nights: Sequence[date]) -> Iterator[date]:
    """The nights one by one, telling how many are done."""
    for number, night in enumerate(nights):
        Progress.say(f"{words} {night}", number, len(nights))
        yield night
    Progress.say(words, len(nights), len(nights))


@contextmanager
def telling(quiet: bool = False) -> Iterator[Teller]:
    """A teller for this process: bars, lines, or nothing where the output is for a program."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():  # noqa: TID251  prints nothing
        with bars() as teller:
            yield teller
    else:
        yield lines()


def lines() -> Teller:
    """A teller of plain lines on stderr, seldom enough to read in a log."""
    last = time.monotonic()

    def tell(words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
        nonlocal last
        if time.monotonic() - last < QUIET_S:
            return
        last = time.monotonic()
        count = f": {done} of {of} {'calls' if bar == 'calls' else 'nights'}" if of else ""
        terminal.say(f"andon: {words}{count}", err=True)

    return tell


@contextmanager
def bars() -> Iterator[Teller]:
    """A teller of bars on stderr, one for the work and one for the calls, gone when it ends."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from evals.readable import make_readable
    from orchestration.runtime.console import errors

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
    )
    counts = (TextColumn("{task.fields[count]}"), TimeRemainingColumn())
    with Bars(*columns, *counts, console=errors(), transient=True) as shown:
        tasks = {"work": shown.add_task("starting", total=None, count="")}

        def tell(words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
            words = make_readable(words)
            if bar not in tasks:
                tasks[bar] = shown.add_task(words, total=of, count="")
            elif done == 0 and bar == "work":
                shown.reset(tasks[bar])  # another stage: its time left is its own
            count = f"{done:,}/{of:,}" if of else ""  # no number where none is known
            shown.update(
                tasks[bar], description=words, completed=done, total=of or None, count=count
            )

        yield tell
