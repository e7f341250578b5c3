"""How tests start `andon ui`: its command line, and ports for it."""

from __future__ import annotations

import contextlib
import socket
import sys
from pathlib import Path


def find_free_ports() -> int:
    """A port that is free, as are the next two."""
    for _ in range(50):
        with socket.socket() as one, socket.socket() as other, socket.socket() as third:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port + 2))
                return port
    raise RuntimeError("no three free ports side by side")


def andon_command(home: Path, *words: str) -> list[str]:
    """The command line over a home."""
    return [sys.executable, "-m", "orchestration.cli.main", *words, "--home", str(home)]
