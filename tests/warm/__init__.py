"""`andon` from a process that has imported everything: each command is a fork of it.

A command is still a process of its own, with its own folder, environment, pipes and exit code;
its client passes signals on to it, and it dies with the client. What a cold start imports, and
when, is tested in `test_imports` and `test_cli`.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CLIENT = Path(__file__).with_name("client.py")


class Server(NamedTuple):
    """The process that forks, and where it listens."""

    process: subprocess.Popen[str]
    socket: Path

    def end(self) -> None:
        """Ends it and all it forked."""
        self.process.communicate()
        shutil.rmtree(self.socket.parent)


@functools.cache
def start_server() -> Server:
    """Starts the server of this process once; it ends with this process."""
    socket = Path(tempfile.mkdtemp(prefix="andon-warm-")) / "socket"
    command = [sys.executable, "-m", "tests.warm.serve", str(socket)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    atexit.register(Server(process, socket).end)
    return Server(process, socket)


def build_command() -> list[str]:
    """Builds a command line that runs `andon` with the words that follow."""
    return [sys.executable, "-I", "-S", str(CLIENT), str(start_server().socket)]
