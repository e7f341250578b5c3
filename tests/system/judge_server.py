"""A small OpenAI-compatible judge on this machine: the same question always gets the same answer.

Run as a program it prints its address and serves until it is killed. It imports nothing of Andon.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class State:
    """The calls so far, and how the server behaves now."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Every call in order of arrival: the body's hash, its system prompt, the status given."""
    latency_s: float = 0.0
    broken: float = 0.0
    """The share of bodies, by hash, that get HTTP 500."""
    times: int | None = None
    """How often a broken body fails; None: until repaired."""
    retry_after_s: int | None = None
    """Every call gets HTTP 429 with this wait; None: it is answered."""
    failures: dict[str, int] = field(default_factory=dict)

    def receive(self, name: str, body: dict[str, Any]) -> int:
        """Counts a call and decides its status."""
        with self.lock:
            failed = self.failures.get(name, 0)
            fails = share(name) < self.broken and (self.times is None or failed < self.times)
            if fails:
                self.failures[name] = failed + 1
            status = 500 if fails else 200 if self.retry_after_s is None else 429
            system = body["messages"][0]["content"]
            self.calls.append({"body": name, "system": system, "status": status})
            return status

    def stats(self) -> dict[str, int]:
        """Calls, and different bodies among them."""
        with self.lock:
            return {"calls": len(self.calls), "unique": len({row["body"] for row in self.calls})}


def share(name: str) -> float:
    """Returns the place of a hash in [0, 1)."""
    return int(name[:8], 16) / 16**8


def completion(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Returns the answer to a body: by schema, or as probabilities of yes and no."""
    place = int(name[8:16], 16) / 16**8
    passed = place < 0.7
    if body.get("logprobs"):
        tokens = [("Yes", place), ("No", 1 - place)]
        top = [
            {"token": token, "logprob": math.log(max(p, 1e-9)), "bytes": None}
            for token, p in tokens
        ]
        first = {**top[0 if place >= 0.5 else 1], "top_logprobs": top}
        text, logprobs = first["token"], {"content": [first], "refusal": None}
    else:
        verdict = {"critique": f"Read {name[:6]}.", "verdict": "pass" if passed else "fail"}
        text, logprobs = json.dumps(verdict), None
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
    words = sum(len(message["content"].split()) for message in body["messages"])
    usage = {"prompt_tokens": words, "completion_tokens": 9, "total_tokens": words + 9}
    about = {"id": name[:12], "object": "chat.completion", "created": 1, "model": body["model"]}
    return {**about, "system_fingerprint": "deterministic", "choices": [choice], "usage": usage}


class Handler(BaseHTTPRequestHandler):
    """Serves `/v1/chat/completions`, and the pages by which a test reads and steers the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def state(self) -> State:
        """The server's state."""
        assert isinstance(self.server, Server)
        return self.server.state

    def do_GET(self) -> None:
        """Answers `/stats` with counts and `/calls` with every call."""
        state = self.state
        pages: dict[str, Any] = {"/stats": state.stats(), "/calls": list(state.calls)}
        self.reply(
            200 if self.path in pages else 404, pages.get(self.path, {"error": "no such page"})
        )

    def do_POST(self) -> None:
        """Answers a question, or applies `/break`, `/refuse`, `/repair` or `/pace`."""
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        body, state = json.loads(raw or b"{}"), self.state
        if self.path.endswith("/chat/completions"):
            self.answer(body)
            return
        with state.lock:
            if self.path == "/break":
                state.broken, state.times = body["share"], body.get("times")
                state.failures.clear()
            elif self.path == "/refuse":
                state.retry_after_s = body["retry_after_s"]
            elif self.path == "/repair":
                state.broken, state.retry_after_s = 0.0, None
            elif self.path == "/pace":
                state.latency_s = body["latency_s"]
        self.reply(200, state.stats())

    def answer(self, body: dict[str, Any]) -> None:
        """Counts the question, waits as configured, and answers or fails."""
        name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        status = self.state.receive(name, body)
        time.sleep(self.state.latency_s)
        failure = {"error": {"message": "configured to fail", "type": "server_error"}}
        self.reply(status, completion(name, body) if status == 200 else failure)

    def reply(self, status: int, value: Any) -> None:
        """Sends one JSON document."""
        data = json.dumps(value).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", str(self.state.retry_after_s))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: `/calls` is the log."""


class Server(ThreadingHTTPServer):
    """The server with its state; a client that died mid-call is no error."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = State()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a killed client: the tests are about it."""


if __name__ == "__main__":
    server = Server()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201  its one line
    server.serve_forever()
