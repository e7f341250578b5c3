"""A request to stop asking, made from a signal handler or another thread.

Knows no signals; `live` decides what happens to calls under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator


class Stopped(KeyboardInterrupt):
    """Asking was stopped: what was answered is kept, and the next run asks the rest.

    No `Exception`: whoever goes on after an error, with the next night or the next evaluator,
    does not go on after this.
    """


class Stop:
    """Whether asking is to stop; requested from a signal handler or from another thread."""

    def __init__(self) -> None:
        self.requested = False
        self.wake: Callable[[], None] | None = None

    def request(self) -> bool:
        """Requests it; whether somebody is asking, who keeps what can be kept and then stops."""
        self.requested = True
        wake = self.wake
        if wake is not None:
            wake()
        return wake is not None

    @contextlib.contextmanager
    def wake_on_request(self, wake: Callable[[], None]) -> Generator[None, None, None]:
        """Calls `wake` on a request made meanwhile, in the thread of whoever makes it.

        Raises:
            Stopped: at the end, when a request was made.
        """
        self.wake = wake
        try:
            yield
        finally:
            self.wake = None
        if self.requested:
            raise Stopped("asking was stopped; what was answered is kept, the next run asks more")
