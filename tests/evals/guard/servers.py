"""A local server with OpenAI's moderation endpoint, which flags texts that contain a word."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FLAGGED = "violent"


class ModerationHandler(BaseHTTPRequestHandler):
    """Answers like the endpoint; the server's `mode` makes it fail."""

    def do_POST(self) -> None:
        """Answers one request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mode = self.server.mode  # type: ignore[attr-defined]
        self.server.asked.append((self.path, body))  # type: ignore[attr-defined]
        if mode == "slow":
            self.server.release.wait(10)  # type: ignore[attr-defined]
        status = 500 if mode == "broken" else 200
        answer: Any = {"id": "m", "model": body["model"], "results": [moderate(body["input"])]}
        if mode == "odd":
            answer = {"results": []}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""


def moderate(text: str) -> dict[str, Any]:
    """Returns the endpoint's result for a text."""
    flagged = FLAGGED in text
    scores = {"violence": 0.9 if flagged else 0.01, "hate": 0.3 if flagged else 0.02}
    return {
        "flagged": flagged,
        "categories": {name: score > 0.5 for name, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": {},
    }


@contextlib.contextmanager
def start_moderation(mode: str = "") -> Iterator[Any]:
    """Starts the server in this process; `url`, `asked` and `release` are attributes of it."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), ModerationHandler)
    server.mode, server.asked, server.release = mode, [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wait_until(is_true: Any, most_s: float = 20) -> None:
    """Waits until a condition holds."""
    until = time.monotonic() + most_s
    while not is_true() and time.monotonic() < until:
        time.sleep(0.01)
