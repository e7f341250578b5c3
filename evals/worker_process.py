"""A process of its own for work that may take too long or too much memory: JSON, a line each way.

What the work is, and how much memory it may take, is the worker module's.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

START_S = 60.0
"""The longest that the process may take to start, on a busy machine."""
KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What it sees of the environment."""

Message = Mapping[str, object]


class WorkerLimit(Exception):
    """The work took more time or memory than it may, or the process did not start."""


@dataclass
class WorkerProcess:
    """A worker, started when it is first needed; requests take turns."""

    module: str
    """Run with `python -m`; it answers requests with `serve_requests`."""
    process: subprocess.Popen[str] | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, request: Message, timeout_s: float) -> dict[str, object]:
        """Sends a request; the process is ended where it does not answer in time.

        Raises:
            WorkerLimit: it did not, ran out of memory, or cannot be started.
        """
        with self.turn:
            if self.process is None or self.process.poll() is not None:
                self.start()
            line = self.exchange(request, timeout_s)
            if not line:
                self.stop()
                raise WorkerLimit(f"not done within {timeout_s:g} s, or out of memory")
        return cast("dict[str, object]", json.loads(line))

    def exchange(self, request: Message, timeout_s: float) -> str:
        """Writes a request and reads the answer; empty where none comes in time."""
        process = self.process
        assert process is not None  # noqa: S101  it was started
        assert process.stdin is not None  # noqa: S101  it has pipes
        assert process.stdout is not None  # noqa: S101  it has pipes
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except OSError:
            return ""
        finally:
            timer.cancel()

    def start(self) -> None:
        """Starts the process, which sees little of the environment, and waits until it is ready.

        Raises:
            WorkerLimit: it does not start.
        """
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={name: os.environ[name] for name in KEPT if name in os.environ},
        )
        atexit.register(self.stop)
        if not self.exchange({}, START_S):
            self.stop()
            raise WorkerLimit(f"`python -m {self.module}` did not start; is Andon installed whole?")

    def stop(self) -> None:
        """Ends the process, if there is one."""
        atexit.unregister(self.stop)
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            process.wait()


def serve_requests(
    answer: Callable[[dict[str, Any]], Message], megabytes: int, seconds: int
) -> None:
    """Answers one request a line until the input ends; an empty one is answered as it is.

    Args:
        answer: does the work.
        megabytes: of address space, at most, most of which is code and reserved.
        seconds: after which it ends by itself, since whoever started it may have been killed.
    """
    limit_memory(megabytes)
    alarm = getattr(signal, "alarm", None)  # Windows has none
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if alarm:
            alarm(seconds)
        made: Message = answer(request) if request else {}
        if alarm:
            alarm(0)
        sys.stdout.write(json.dumps(made) + "\n")  # noqa: TID251  the parent's pipe
        sys.stdout.flush()  # noqa: TID251  the same


def limit_memory(megabytes: int) -> None:
    """Limits the process's memory, where the system can."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    size = megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
