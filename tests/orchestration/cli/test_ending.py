"""Promises of how `andon` ends: at once, and nothing it still has to do is cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest


def ended(body: str) -> subprocess.CompletedProcess[str]:
    """A process whose one command does what is given."""
    head = "import atexit, threading, time; from orchestration.cli import main as cli\n"
    command = f"@cli.main.command()\ndef last():\n{textwrap.indent(body, '    ')}\n"
    code = f"{head}{command}cli.run(['last'])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_threads_and_exit_hooks_are_waited_for() -> None:
    """What a thread or a hook prints after the command's end is there, and so is its code."""
    done = ended(
        "atexit.register(print, 'hook')\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
        "print('command')\n"
        "raise SystemExit(3)"
    )
    assert done.stdout.split() == ["command", "thread", "hook"]
    assert (done.stderr, done.returncode) == ("", 3)


def test_a_defect_ends_with_its_stack() -> None:
    """An error nobody foresaw is told as Python tells it, and the code is 1."""
    done = ended("raise KeyError('unforeseen')")
    assert done.stderr.splitlines()[-1] == "KeyError: 'unforeseen'"
    assert done.returncode == 1


def test_a_command_that_ends_by_itself_succeeded() -> None:
    """Its code is 0."""
    assert ended("pass").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_dagster_swallows_is_known(number: signal.Signals) -> None:
    """Dagster drops a signal after its last step and keeps no number; the exit code has both."""
    done = ended(
        "import os\n"
        "from dagster._utils.interrupts import capture_interrupts\n"
        "from orchestration.runtime import interrupts\n"
        f"with capture_interrupts():\n    os.kill(os.getpid(), {number})\n"
        "if interrupts.first_signal():\n    raise KeyboardInterrupt"
    )
    assert done.returncode == 128 + number
    assert "interrupted; the same command goes on" in done.stderr
