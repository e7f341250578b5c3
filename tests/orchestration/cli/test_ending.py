"""Promises of how `andon` ends: at once, and nothing it still has to do is cut off."""

from __future__ import annotations

import subprocess
import sys
import textwrap


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
