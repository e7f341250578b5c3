"""The order of the suite, and the signals its processes start with.

Files with slow tests come first, so that all cores end at the same time.
"""

from __future__ import annotations

import signal
from collections import Counter

import pytest


def pytest_configure() -> None:
    """Takes SIGINT again where a shell started the suite in the background and ignores it.

    An ignored signal stays ignored in every process that a test starts.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files by their number of slow tests; within a file nothing moves."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
