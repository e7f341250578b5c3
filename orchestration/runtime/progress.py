"""Progress of long work: bars with the time left on a terminal, a line now and then elsewhere.

The stages describe their work; nothing heavy is imported.
"""

import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Protocol

from orchestration.runtime import terminal

QUIET_S = 10.0
"""Seconds between two lines where the output is no terminal."""


class Listener(Protocol):
    """Receives progress."""

    def __call__(self, words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
        """Receives the current work, how much of it is done, and the bar that shows it."""


def ignore_progress(words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
    """Shows nothing."""


class Progress:
    """Where long work reports its progress; one listener per process."""

    listener: Listener | None = None
    calls: int = 0
    planned: int = 0
    """Calls the run expects to make on the nights it has looked at."""

    @classmethod
    def start(cls, listener: Listener) -> None:
        """Starts counting for a run and sends its progress to a listener."""
        cls.listener = None if listener is ignore_progress else listener
        cls.calls, cls.planned = 0, 0

    @classmethod
    def report(cls, words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
        """Sends progress to the listener, if there is one."""
        if cls.listener:
            cls.listener(words, done, of, bar)

    @classmethod
    def expect(cls, count: int) -> None:
        """Adds calls to those the run expects to make."""
        if count:
            cls.planned += count
            cls.report("calling models", cls.calls, cls.planned, "calls")

    @classmethod
    def count_calls(cls, count: int) -> None:
        """Counts calls that were answered."""
        cls.calls += count
        cls.report("calling models", cls.calls, max(cls.planned, cls.calls), "calls")


def iterate_nights(words: str, nights: Sequence[date]) -> Iterator[date]:
    """Yields nights one by one and reports how many are done."""
    for number, night in enumerate(nights):
        Progress.report(f"{words} {night}", number, len(nights))
        yield night
    Progress.report(words, len(nights), len(nights))


@contextmanager
def open_listener(quiet: bool = False) -> Generator[Listener, None, None]:
    """Opens a listener for this process: bars, lines, or none where a program reads the output."""
    if quiet:
        yield ignore_progress
    elif sys.stderr.isatty():  # noqa: TID251  prints nothing
        with draw_bars() as listener:
            yield listener
    else:
        yield print_lines()


def print_lines() -> Listener:
    """Returns a listener that prints plain lines on stderr, few enough for a log."""
    last = time.monotonic()

    def print_progress(words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
        nonlocal last
        if time.monotonic() - last < QUIET_S:
            return
        last = time.monotonic()
        count = f": {done} of {of} {'calls' if bar == 'calls' else 'nights'}" if of else ""
        terminal.print_line(f"andon: {words}{count}", err=True)

    return print_progress


@contextmanager
def draw_bars() -> Generator[Listener, None, None]:
    """Opens a listener that draws a bar for the work and a bar for the calls on stderr."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from evals.readable import make_readable
    from orchestration.runtime.console import open_stderr

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
    )
    counts = (TextColumn("{task.fields[count]}"), TimeRemainingColumn())
    with Bars(*columns, *counts, console=open_stderr(), transient=True) as bars:
        tasks = {"work": bars.add_task("starting", total=None, count="")}

        def draw_progress(words: str, done: int = 0, of: int = 0, bar: str = "work") -> None:
            words = make_readable(words)
            if bar not in tasks:
                tasks[bar] = bars.add_task(words, total=of, count="")
            elif done == 0 and bar == "work":
                bars.reset(tasks[bar])  # another stage starts: estimate its time left anew
            count = f"{done:,}/{of:,}" if of else ""  # no number where the total is unknown
            bars.update(
                tasks[bar], description=words, completed=done, total=of or None, count=count
            )

        yield draw_progress
