"""What SIGINT and SIGTERM do: the first stops a run in order, a second one ends it at once.

Dagster's own handlers raise, which an event loop takes for an error of one callback and drops:
while models are asked these take their place. What is kept of the calls is `evals.calls`'s.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from evals.calls.stop import Stop, Stopped
from orchestration.runtime.progress import Progress

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_S = 0.5
"""Seconds within which a second signal is the first, sent to the process and to its group."""


class Interrupts:
    """What this process was told; one run a process."""

    stop = Stop()
    received: signal.Signals | None = None
    at = 0.0
    arrivals: int | None = None
    """Where the interpreter writes the number of each signal, whoever handles it."""


def receive(number: int, _: Any) -> None:
    """Hands a signal to whoever asks models, and interrupts everything else where it is.

    Raises:
        Stopped: when no model is being asked.
    """
    now = time.monotonic()
    if Interrupts.received is None:
        Interrupts.received, Interrupts.at = signal.Signals(number), now
        if not Interrupts.stop.request():
            raise Stopped(f"stopped by {Interrupts.received.name}")
    elif now - Interrupts.at > SAME_S:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


@contextlib.contextmanager
def received() -> Iterator[Stop]:
    """Signals are received here until the block ends; what is to be ignored stays ignored."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # signals are the main thread's
    for number in ours:
        signal.signal(number, receive)
    try:
        yield Interrupts.stop
    finally:
        for number in ours:
            signal.signal(number, before[number])


@contextlib.contextmanager
def record_arrivals() -> Iterator[None]:
    """Records signals that handlers of others swallow: Dagster's names none, and drops the last."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
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


def first_signal() -> signal.Signals | None:
    """The first signal that arrived, also one that only a library's handler was called with."""
    if Interrupts.received is None and Interrupts.arrivals is not None:
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(Interrupts.arrivals, 1024)
            arrived = [signal.Signals(number) for number in numbers if number in SIGNALS]
            Interrupts.received = next(iter(arrived), None)
    return Interrupts.received


def exit_code() -> int:
    """128 and the signal, as shells have it; SIGINT's where none is known."""
    return 128 + (first_signal() or signal.SIGINT)


def sentence() -> str:
    """What was kept, and how to go on."""
    kept = f"; {Progress.calls:,} calls were paid and are kept" if Progress.calls else ""
    return f"interrupted{kept}; the same command goes on where it stopped"
