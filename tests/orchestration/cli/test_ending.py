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
        "if interrupts.get_first_signal():\n    raise KeyboardInterrupt"
    )
    assert done.returncode == 128 + number
    assert "interrupted; run the same command again" in done.stderr


@pytest.mark.parametrize(
    "body",
    [
        "for n in range(100000): terminal.print_line('a line that nobody reads')",
        "for n in range(9999): console.open_stdout().print('a line that nobody reads')",
    ],
    ids=["lines", "tables"],
)
def test_a_closed_pipe_is_quiet(body: str) -> None:
    """A reader that has enough ends the command as SIGPIPE does, not as a regressed gate."""
    code = (
        "from orchestration.cli import main as cli\n"
        "from orchestration.runtime import console, terminal\n"
        f"@cli.main.command()\ndef last():\n    {body}\ncli.run(['last'])"
    )
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith("a line")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_closed_pipe_is_no_regression_of_a_short_output() -> None:
    """An output that fits into the pipe's buffer is lost without a word, too."""
    done = run_command(
        "import os, sys\nread, write = os.pipe()\nos.dup2(write, 1)\n"
        "os.close(read)\nos.close(write)\nprint('unread')"
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
