"""Handlers of SIGINT and SIGTERM: the first signal stops a run in order, a second ends it at once.

Dagster's own handlers raise an exception, which an event loop takes for an error of one callback
and drops: during calls these handlers take their place. `evals.calls` keeps the answers.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator
from types import FrameType

from evals.calls.stop import Stop, Stopped
from orchestration.runtime.progress import Progress

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_S = 0.5
"""Seconds within which a second signal counts as the first, sent to the process and its group."""


class Interrupts:
    """The signals of this process, which does one run."""

    stop = Stop()
    first: signal.Signals | None = None
    at = 0.0
    arrivals: int | None = None
    """The pipe to which the interpreter writes the number of each signal, whoever handles it."""


def handle_signal(number: int, _: FrameType | None) -> None:
    """Requests the end of calls under way, or interrupts whatever else is being done.

    Raises:
        Stopped: when no call is under way.
    """
    now = time.monotonic()
    if Interrupts.first is None:
        Interrupts.first, Interrupts.at = signal.Signals(number), now
        if not Interrupts.stop.request():
            raise Stopped(f"stopped by {Interrupts.first.name}")
    elif now - Interrupts.at > SAME_S:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


@contextlib.contextmanager
def handle_signals() -> Generator[Stop, None, None]:
    """Handles signals here until the block ends; an ignored signal stays ignored."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # only the main thread gets signals
    for number in ours:
        signal.signal(number, handle_signal)
    try:
        yield Interrupts.stop
    finally:
        for number in ours:
            signal.signal(number, before[number])


def end_process_on_signals() -> None:
    """Lets a signal end the process at once where no earlier one did: its command has ended."""
    if Interrupts.first is None:
        for number in SIGNALS:
            if signal.getsignal(number) is handle_signal:
                signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def record_arrivals() -> Generator[None, None, None]:
    """Records signals that handlers of libraries swallow, such as Dagster's."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    Interrupts.arrivals = reader
    try:
        yield
    finally:
        Interrupts.arrivals = None
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


def get_first_signal() -> signal.Signals | None:
    """Returns the first signal that arrived, even if a library's handler received it."""
    if Interrupts.first is None and Interrupts.arrivals is not None:
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(Interrupts.arrivals, 1024)
            arrived = [signal.Signals(number) for number in numbers if number in SIGNALS]
            Interrupts.first = next(iter(arrived), None)
    return Interrupts.first


def get_exit_code() -> int:
    """Returns 128 plus the signal's number, as shells do; SIGINT's if none was recorded."""
    return 128 + (get_first_signal() or signal.SIGINT)


def describe_interruption() -> str:
    """Describes an interruption: the answers that were stored, and how to resume."""
    paid = f"; {Progress.calls:,} paid answers were kept" if Progress.calls else ""
    return f"interrupted{paid}; run the same command again to resume"
