"""The judge server as system tests run and steer it.

What it answers is in `judge_server`, which runs as a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Judge:
    """A client of the judge server's own pages."""

    url: str

    def request(self, path: str, body: Any = None) -> Any:
        """Requests one of the pages; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def list_calls(self, since: int = 0) -> list[dict[str, Any]]:
        """Returns the calls that arrived after the first `since`."""
        return self.request("/calls")[since:]

    def count_calls(self) -> int:
        """Returns how many calls have arrived so far."""
        return self.request("/stats")["calls"]


@contextlib.contextmanager
def serve_judge() -> Iterator[Judge]:
    """Runs the judge server in a process of its own until the block ends."""
    program = Path(__file__).with_name("judge_server.py")
    server = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    with server.stdout:
        try:
            yield Judge(server.stdout.readline().strip())
        finally:
            server.kill()
            server.wait()


def are_paid_once(calls: Sequence[dict[str, Any]]) -> bool:
    """Whether no body was sent twice."""
    return max(Counter(call["body"] for call in calls).values(), default=0) <= 1
