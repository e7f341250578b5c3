"""Promises of the model this process serves: it uses as many threads as cores are idle."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evals.models import embedded

pytestmark = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs /proc/stat")


def test_a_busy_core_is_not_counted_as_idle() -> None:
    """With as many busy processes as cores, fewer than half a core is idle."""
    cores = os.cpu_count() or 1
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        idle = min(embedded.measure_idle_cores(0.5) for _ in range(3))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert idle < 0.5


def test_a_high_load_average_takes_no_thread_from_idle_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Right after an installation the load average is high and the cores are idle."""
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    monkeypatch.setattr(embedded, "read_idle_seconds", iter([100.0, 101.0]).__next__)
    monkeypatch.setattr(embedded.time, "monotonic", iter([0.0, 0.5]).__next__)
    assert embedded.choose_threads() == 2
