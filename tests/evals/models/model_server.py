"""A small OpenAI-compatible server on this machine: it says what its script tells it to say."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple


class Said(NamedTuple):
    """What the server answers to one request."""

    status: int = 200
    body: dict[str, Any] | bytes = b"{}"
    headers: dict[str, str] = {}  # noqa: RUF012  never changed
    after_s: float = 0.0
    breaks: Literal["reset", "truncated"] | None = None
    """How the connection ends instead: before the answer, or in the middle of it."""


Script = Callable[[dict[str, Any], int], Said]
"""From a request's body and how often it was seen before to an answer."""


class Asked(NamedTuple):
    """Where a request went, and with which headers."""

    path: str
    headers: dict[str, str]


def completion(body: dict[str, Any], text: str | None, **changes: Any) -> dict[str, Any]:
    """A chat completion that says `text`."""
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        **changes,
    }


def response(body: dict[str, Any], text: str, **changes: Any) -> dict[str, Any]:
    """A Response that says `text`."""
    said = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [said]}
    return {
        "id": "r",
        "object": "response",
        "created_at": 1.0,
        "status": "completed",
        "model": body["model"],
        "output": [{"type": "reasoning", "id": "rs", "summary": []}, message],
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 2,
        },
        **changes,
    }


class Server(NamedTuple):
    """A running server and what it has seen."""

    url: str
    seen: list[dict[str, Any]]
    asked: list[Asked]


@contextmanager
def serving(script: Script, models: list[dict[str, Any]] | Said | None = None) -> Iterator[Server]:
    """Serves a script, and a list of models or what is said instead, until the block ends."""
    seen: list[dict[str, Any]] = []
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(Asked(self.path, dict(self.headers)))
            listed = Said(200, {"object": "list", "data": models or []})
            said = models if isinstance(models, Said) else listed
            time.sleep(said.after_s)
            self.answer(said)

        def do_POST(self) -> None:
            asked.append(Asked(self.path, dict(self.headers)))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            before = sum(one == body for one in seen)
            seen.append(body)
            said = script(body, before)
            time.sleep(said.after_s)
            self.answer(said)

        def answer(self, said: Said) -> None:
            if said.breaks == "reset":
                hard = struct.pack("ii", 1, 0)  # closing sends a reset, not an end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
                self.close_connection = True
                return
            data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if said.breaks == "truncated":
                data, self.close_connection = data[: len(data) // 2], True
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}/v1", seen, asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
