"""Local servers that receive messages: HTTP with a status by path, and SMTP."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Receiver:
    """What arrived, and what the server answers."""

    port: int = 0
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """By path, the statuses of the next answers; 200 after them."""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and body of each."""
    arrived: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event | None = None
    """Answers wait for it, where there is one."""

    @property
    def url(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """The JSON that was posted to a path."""
        return [json.loads(body) for _, at, body in self.requests if at == path]


@contextlib.contextmanager
def serve_http() -> Iterator[Receiver]:
    """Receives requests."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size).decode()
            receiver.requests.append((self.command, self.path, body))
            receiver.arrived.set()
            if receiver.hold:
                receiver.hold.wait(30)
            left = receiver.statuses.get(self.path) or [200]
            self.send_response(left.pop(0))
            self.send_header("content-length", "0")
            with contextlib.suppress(OSError):
                self.end_headers()

        do_GET = do_POST = answer

        def log_message(self, *args: object) -> None:
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            if receiver.hold:
                receiver.hold.set()
            server.shutdown()
            thread.join()


@dataclass
class Mailbox:
    """The mails that arrived."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Takes a mail."""
        del server, session
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 taken"


@contextlib.contextmanager
def serve_smtp() -> Iterator[Mailbox]:
    """Receives mails."""
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        box.port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
