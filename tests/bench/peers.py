"""The shared benchmark's server and runners, where they are present, each a process of its own.

Nothing here measures our own runner; where the folder is absent there are no peers.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SHARED = Path(__file__).parents[2].joinpath("..", "shared", "bench").resolve()
IS_PRESENT = (SHARED / "fakeai.py").exists()


class Measured(NamedTuple):
    """One client's run over the workload."""

    window_s: float
    """From the first request to the last answer, as the server saw it."""
    cpu_s: float
    """The whole process, its start included."""


@contextlib.contextmanager
def start_server(latency_ms: float) -> Iterator[str]:
    """Starts the shared server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SHARED / "fakeai.py"), "--port", str(port)]
    with subprocess.Popen(
        [*command, "--latency", str(latency_ms)], stdout=subprocess.DEVNULL
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(400):
                with contextlib.suppress(OSError):
                    read_stats(url)
                    break
                time.sleep(0.05)
            yield url
        finally:
            process.kill()


def read_stats(url: str, reset: bool = False) -> dict[str, Any]:
    """Reads the server's counts; a reset sets them to zero."""
    address = f"{url}/{'reset' if reset else 'stats'}"
    with urllib.request.urlopen(address, b"{}" if reset else None, 20) as answer:  # noqa: S310
        return json.load(answer)


def measure_command(
    command: list[str], url: str, calls: int, environment: dict[str, str]
) -> Measured:
    """Runs a client and reads the server's counts of it."""
    read_stats(url, reset=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    stats = read_stats(url)
    assert stats["ok"] == calls, stats
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(stats["window_s"], cpu)


def measure_peer(name: str, url: str, calls: int, concurrency: int) -> Measured:
    """Measures one of the shared runners, such as `raw`, `aiohttp` or `openai`."""
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder, "traces.jsonl")
        command = [sys.executable, str(SHARED / "gen_traces.py"), str(traces), str(calls)]
        subprocess.run(command, check=True)
        environment = {
            "BASE_URL": f"{url}/v1",
            "N": str(calls),
            "CONC": str(concurrency),
            "OUT": folder,
            "TRACES": str(traces),
            "MODE": "fresh",
            "PYTHONPATH": str(SHARED / "runners"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, str(SHARED / "runners" / f"r_{name}.py")]
        return measure_command(command, url, calls, environment)
