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


def test_an_error_that_a_library_makes_of_a_signal_is_an_interruption() -> None:
    """Compiled code turns what the signal's handler raises into an error of its own."""
    done = run_command(
        "import os\n"
        "try:\n    os.kill(os.getpid(), 2)\n"
        "except BaseException:\n    raise ValueError('of a library') from None"
    )
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "andon: interrupted; run the same command again to resume\n"


STOP = "os.kill(os.getpid(), 2)"
"""Stops the command."""
LATER = "interrupts.Interrupts.at -= 60"
"""Makes the first signal one of a minute ago."""


@pytest.mark.parametrize(
    ("body", "code"),
    [("pass", -signal.SIGINT), (STOP, 128 + signal.SIGINT),
     (f"try:\n    {STOP}\nfinally:\n    {LATER}", -signal.SIGINT)],
    ids=["the first signal", "the same signal", "a second signal"],
)  # fmt: skip
def test_a_signal_while_the_process_ends_prints_no_traceback(body: str, code: int) -> None:
    """It ends the process at once, unless it is the one that ended the command."""
    done = run_command(
        "import os\nfrom orchestration.runtime import interrupts\n"
        f"atexit.register(os.kill, os.getpid(), 2)\n{body}"
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr


def test_a_signal_before_the_commands_are_imported_is_quiet() -> None:
    """Ctrl-C right after the start ends the process as a signal does, without a traceback."""
    code = (
        "import os, sys\n"
        "from orchestration.cli import entry\n"
        "class Finder:\n"
        "    @staticmethod\n"
        "    def find_spec(name, *rest):\n"
        "        if name == 'orchestration.cli.main':\n"
        "            os.kill(os.getpid(), 2)\n"
        "sys.meta_path.insert(0, Finder)\n"
        "entry.run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


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
