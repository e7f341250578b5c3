"""A small OpenAI-compatible server on this machine: a test's script decides each reply."""

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


class ServerReply(NamedTuple):
    """The server's reply to one request."""

    status: int = 200
    body: dict[str, Any] | bytes = b"{}"
    headers: dict[str, str] = {}  # noqa: RUF012  never changed
    delay_s: float = 0.0
    fault: Literal["reset", "truncated"] | None = None
    """How the connection fails: before the reply, or in the middle of it."""


Script = Callable[[dict[str, Any], int], ServerReply]
"""Makes the reply to a request's body; the number is how often the body came before."""


class ReceivedRequest(NamedTuple):
    """The path and headers of a request."""

    path: str
    headers: dict[str, str]


def build_completion(body: dict[str, Any], text: str | None, **changes: Any) -> dict[str, Any]:
    """Returns a chat completion whose text is `text`."""
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


def build_response(body: dict[str, Any], text: str, **changes: Any) -> dict[str, Any]:
    """Returns a Response whose text is `text`."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "role": "assistant", "status": "completed", "content": content}
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
    """A running server and the requests it received."""

    url: str
    bodies: list[dict[str, Any]]
    requests: list[ReceivedRequest]


@contextmanager
def serve_script(
    script: Script, models: list[dict[str, Any]] | ServerReply | None = None
) -> Iterator[Server]:
    """Serves a script, and a list of models or a reply in its place, until the block ends."""
    bodies: list[dict[str, Any]] = []
    requests: list[ReceivedRequest] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            requests.append(ReceivedRequest(self.path, dict(self.headers)))
            listed = ServerReply(200, {"object": "list", "data": models or []})
            self.send_reply(models if isinstance(models, ServerReply) else listed)

        def do_POST(self) -> None:
            requests.append(ReceivedRequest(self.path, dict(self.headers)))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            before = bodies.count(body)
            bodies.append(body)
            self.send_reply(script(body, before))

        def send_reply(self, reply: ServerReply) -> None:
            time.sleep(reply.delay_s)
            if reply.fault == "reset":
                linger = struct.pack("ii", 1, 0)  # closing sends a reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                return
            data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if reply.fault == "truncated":
                data, self.close_connection = data[: len(data) // 2], True
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}/v1", bodies, requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
