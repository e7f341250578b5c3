"""A request to stop calls, made from a signal handler or another thread.

Handles no signals itself; `live` decides what happens to calls under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator


class Stopped(KeyboardInterrupt):
    """Calls were stopped; answers so far are stored, and the next run asks the rest.

    Not an `Exception`: code that continues after an error, with the next night or evaluator,
    must not continue after this.
    """


class Stop:
    """Whether calls have to stop; requested from a signal handler or another thread."""

    def __init__(self) -> None:
        self.requested = False
        self.wake: Callable[[], None] | None = None

    def request(self) -> bool:
        """Requests a stop; returns whether calls are under way, which then end in order."""
        self.requested = True
        wake = self.wake
        if wake is not None:
            wake()
        return wake is not None

    @contextlib.contextmanager
    def wake_on_request(self, wake: Callable[[], None]) -> Generator[None, None, None]:
        """Calls `wake` on a request made within the block, in the requester's thread.

        Raises:
            Stopped: at the end, when a request was made.
        """
        self.wake = wake
        try:
            yield
        finally:
            self.wake = None
        if self.requested:
            raise Stopped(
                "calls were stopped; answers so far are stored, the next run asks the rest"
            )
