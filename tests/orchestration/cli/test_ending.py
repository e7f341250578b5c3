"""Promises of how `andon` ends: at once, but after all its threads and exit hooks."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest


def run_command(body: str) -> subprocess.CompletedProcess[str]:
    """Runs a process with one command that executes some code."""
    head = "import atexit, threading, time; from orchestration.cli import main as cli\n"
    command = f"@cli.main.command()\ndef last():\n{textwrap.indent(body, '    ')}\n"
    code = f"{head}{command}cli.run(['last'])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_threads_and_exit_hooks_are_waited_for() -> None:
    """What a thread or a hook prints after the command is printed, and its exit code is kept."""
    done = run_command(
        "atexit.register(print, 'hook')\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
        "print('command')\n"
        "raise SystemExit(3)"
    )
    assert done.stdout.split() == ["command", "thread", "hook"]
    assert (done.stderr, done.returncode) == ("", 3)


def test_a_defect_ends_with_its_traceback() -> None:
    """An unexpected error prints Python's traceback, and the exit code is 1."""
    done = run_command("raise KeyError('unforeseen')")
    assert done.stderr.splitlines()[-1] == "KeyError: 'unforeseen'"
    assert done.returncode == 1


def test_a_command_that_returns_succeeds() -> None:
    """A command that returns exits 0."""
    assert run_command("pass").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_dagster_swallows_is_known(number: signal.Signals) -> None:
    """The exit code names a signal that Dagster dropped after its last step."""
    done = run_command(
        "import os\n"
        "from dagster._utils.interrupts import capture_interrupts\n"
        "from orchestration.runtime import interrupts\n"
        f"with capture_interrupts():\n    os.kill(os.getpid(), {number})\n"
        "if interrupts.first_signal():\n    raise KeyboardInterrupt"
    )
    assert done.returncode == 128 + number
    assert "interrupted; run the same command again" in done.stderr
