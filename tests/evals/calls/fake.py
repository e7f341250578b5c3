"""What the tests of calls share: a team with one judge, and the benchmark's server with faults."""

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

SERVER_SCRIPT = Path(__file__).parents[3] / ".." / "shared" / "bench" / "fakeai.py"


class BenchServer(NamedTuple):
    """A running server of the shared benchmark."""

    url: str

    def read_stats(self) -> dict[str, Any]:
        """Reads its counts of requests."""
        address = f"{self.url.removesuffix('/v1')}/stats"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  our own
            return json.load(answer)


@contextlib.contextmanager
def start_bench_server(*options: str) -> Iterator[BenchServer]:
    """Starts the shared benchmark's server with faults; skips where it is absent."""
    pytest.importorskip("httptools", reason="the shared server parses with it")
    if not SERVER_SCRIPT.exists():
        pytest.skip("../shared/bench is absent")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SERVER_SCRIPT), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        fake = BenchServer(f"http://127.0.0.1:{port}/v1")
        try:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    fake.read_stats()
                    break
                time.sleep(0.05)
            yield fake
        finally:
            process.kill()
