"""What the tests of asking share: a team with one judge, and the benchmark's server with faults."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FAKE = Path(__file__).parents[3] / ".." / "shared" / "bench" / "fakeai.py"


class Fake(NamedTuple):
    """A running server of the shared benchmark."""

    url: str

    def stats(self) -> dict[str, Any]:
        """What it has seen."""
        address = f"{self.url.removesuffix('/v1')}/stats"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  our own
            return json.load(answer)


@contextlib.contextmanager
def faulty(*options: str) -> Iterator[Fake]:
    """The shared benchmark's server with faults; skips where it is absent."""
    pytest.importorskip("httptools", reason="the shared server parses with it")
    if not FAKE.exists():
        pytest.skip("../shared/bench is absent")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(FAKE), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        fake = Fake(f"http://127.0.0.1:{port}/v1")
        try:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    fake.stats()
                    break
                time.sleep(0.05)
            yield fake
        finally:
            process.kill()
