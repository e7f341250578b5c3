"""Promises of progress: counted on a terminal, seldom in a log, never where a program reads."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

WORK = """
import time
from datetime import date
from orchestration.runtime import progress
from orchestration.runtime.progress import Progress, each, telling
progress.QUIET_S = 0.05
nights = [date(2026, 10, day) for day in (1, 2, 3)]
with telling({quiet}) as teller:
    Progress.start(teller)
    Progress.say("starting Dagster")
    time.sleep(0.2)
    Progress.expect(8)
    time.sleep(0.2)
    for night in each("evaluating", nights):
        Progress.asked(2)
        time.sleep(0.2)
"""


def on_a_terminal(code: str) -> str:
    """What a program shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other side is closed: a terminal's way to say the end
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def in_a_log(code: str) -> str:
    """What a program writes on stderr where there is no terminal."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_a_terminal_shows_nights_and_calls_done_of_all() -> None:
    """Bars count nights of three and calls of the eight planned, and never an unknown number."""
    shown = on_a_terminal(WORK.format(quiet=False))
    assert "evaluating 2026-10-03" in shown
    assert "2/3" in shown
    assert "0/8" in shown
    assert "6/8" in shown
    assert "/?" not in shown
    assert "0:00:" in shown


def test_a_log_has_a_plain_line_now_and_then() -> None:
    """Without a terminal the same is said in plain lines, without a control character."""
    said = in_a_log(WORK.format(quiet=False))
    assert "andon: evaluating 2026-10-03: 2 of 3 nights\n" in said
    assert said.replace("\n", "").isprintable()


def test_a_program_that_reads_json_hears_nothing() -> None:
    """With the output meant for a program, nothing at all is said."""
    assert in_a_log(WORK.format(quiet=True)) == ""
