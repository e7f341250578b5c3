"""Promises of progress: bars on a terminal, few lines in a log, nothing for a program."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

WORK = """
import time
from datetime import date
from orchestration.runtime import progress
from orchestration.runtime.progress import Progress, iterate_nights, open_listener
progress.QUIET_S = 0.05
nights = [date(2026, 10, day) for day in (1, 2, 3)]
with open_listener({quiet}) as listener:
    Progress.start(listener)
    Progress.report("starting Dagster")
    time.sleep(0.2)
    Progress.expect(8)
    time.sleep(0.2)
    for night in iterate_nights("evaluating", nights):
        Progress.count_calls(2)
        time.sleep(0.2)
"""


def run_on_terminal(code: str) -> str:
    """Runs a program on a terminal and returns what it shows."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # a terminal reports the end as an error
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def run_without_terminal(code: str) -> str:
    """Runs a program and returns its stderr, which is no terminal."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_a_terminal_shows_nights_and_calls_done_of_all() -> None:
    """Bars count nights of three and calls of the eight planned, and never an unknown number."""
    shown = run_on_terminal(WORK.format(quiet=False))
    assert "evaluating 2026-10-03" in shown
    assert "2/3" in shown
    assert "0/8" in shown
    assert "6/8" in shown
    assert "/?" not in shown
    assert "0:00:" in shown


def test_a_log_has_a_plain_line_now_and_then() -> None:
    """Without a terminal, progress is plain lines without control characters."""
    log = run_without_terminal(WORK.format(quiet=False))
    assert "andon: evaluating 2026-10-03: 2 of 3 nights\n" in log
    assert log.replace("\n", "").isprintable()


def test_a_program_that_reads_json_gets_no_progress() -> None:
    """Nothing is printed when a program reads the output."""
    assert run_without_terminal(WORK.format(quiet=True)) == ""
