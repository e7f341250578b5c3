"""A small server with files and batches on this machine; it answers, fails and stalls as told."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.evals.models.model_server import completion

Row = dict[str, Any]


def answered(line: Row) -> list[Row]:
    """One good row: passes what says `good`."""
    said = "pass" if "good" in line["body"]["messages"][-1]["content"] else "fail"
    body = completion(line["body"], json.dumps({"critique": "c", "verdict": said}))
    return [row(line, {"status_code": 200, "request_id": "r", "body": body})]


def row(line: Row, response: Row | None, error: Row | None = None) -> Row:
    """A row of an output or error file."""
    return {"id": "b", "custom_id": line["custom_id"], "response": response, "error": error}


@dataclass
class State:
    """What the server holds, what it was told, and how it behaves now."""

    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[str, Row] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    """Requests by route: `POST /files` and so on."""
    script: Callable[[Row], list[Row]] = answered
    """From a line of a file to its rows."""
    faults: list[tuple[str, int]] = field(default_factory=list)
    """Routes with the status their next request gets; 0: the line is cut after it was done."""
    stall: str = ""
    """`before POST /files`, `after POST /batches`: there the server waits for ever."""
    stalled: threading.Event = field(default_factory=threading.Event)
    page: int = 100
    live: int = 0
    """Questions asked live."""
    azure: bool = False
    """Under `/openai`, with an `api-version`, as Azure has it; no metadata is kept."""
    reading: int = 0
    """Looks at a file that still find it being read."""
    keys: set[str | None] = field(default_factory=set)
    """The `api-key` headers that came."""

    def lines(self, batch_id: str) -> list[Row]:
        """The requests of a batch."""
        data = self.files[self.batches[batch_id]["input_file_id"]][1]
        return [json.loads(line) for line in data.splitlines()]

    def asked(self) -> Counter[tuple[str, str]]:
        """How often each question was submitted for money."""
        return Counter(
            (line["custom_id"], json.dumps(line["body"]))
            for b in self.batches
            for line in self.lines(b)
        )

    def finish(
        self, status: str = "completed", upto: int | None = None, only: str | None = None
    ) -> None:
        """Ends every open batch, or `only` one; `upto` requests of each are answered."""
        for batch_id, batch in self.batches.items():
            if only not in (None, batch_id) or batch["status"] not in (
                "validating",
                "in_progress",
                "cancelling",
            ):
                continue
            lines = self.lines(batch_id)
            rows = [found for line in lines[:upto] for found in self.script(line)]
            good = [r for r in rows if not r["error"]]
            bad = [r for r in rows if r["error"]]
            batch["status"] = status
            for key, found in (("output_file_id", good), ("error_file_id", bad)):
                if found:
                    name = f"file-{batch_id}-{key}"
                    data = "".join(json.dumps(r) + "\n" for r in reversed(found))
                    self.files[name] = ("out.jsonl", data.encode())
                    batch[key] = name
            counts = {"total": len(lines), "completed": len(good), "failed": len(bad)}
            batch["request_counts"] = counts


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    state: State


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    protocol_version = "HTTP/1.1"
    state: State

    def handle_one(self, method: str) -> None:
        """One request: counted, perhaps stalled or failed, answered."""
        prefix, state = ("/openai" if self.state.azure else "/v1"), self.state
        path = self.path.split("?")[0].removeprefix(prefix)
        state.keys.add(self.headers.get("api-key"))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        route = f"{method} {re.sub(r'/(file-|batch_)[^/]*', '/ID', path)}"
        self.state.made[route] += 1
        self.wait(f"before {route}")
        status = next((s for r, s in self.state.faults if r == route), None)
        if status is not None:
            self.state.faults.remove((route, status))
        if status:
            self.send(status, {"error": {"message": "told to", "code": "x", "type": "x"}})
            return
        known = self.path.startswith(prefix) and ("api-version=" in self.path or not state.azure)
        found = self.answer(method, path, body) if known else None
        self.wait(f"after {route}")
        if status == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send(404 if found is None else 200, found if found is not None else {"error": {}})

    def wait(self, point: str) -> None:
        """Waits for ever where the test wants a process to die."""
        if self.state.stall == point:
            self.state.stalled.set()
            time.sleep(60)

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """What a route gives; None: there is no such thing."""
        parts = path.strip("/").split("/")
        if parts[0] == "chat":
            self.state.live += 1
            asked = json.loads(body)
            return answered({"custom_id": "", "body": asked})[0]["response"]["body"]
        if parts[0] == "files":
            return self.file(method, parts[1:], body)
        return self.batch(method, parts[1:], body)

    def file(self, method: str, parts: list[str], body: bytes) -> Any:
        """`/files` and below."""
        files = self.state.files
        if method == "POST":
            name = re.search(rb'filename="([^"]+)"', body)
            data = re.search(rb'filename="[^"]+"\r\n.*?\r\n\r\n(.*?)\r\n--', body, re.DOTALL)
            assert name
            assert data
            file_id = f"file-{len(files)}"
            files[file_id] = (name[1].decode(), data[1])
            return self.about(file_id)
        if not parts:
            return {"object": "list", "has_more": False, "data": [self.about(f) for f in files]}
        if parts[0] not in files:
            return None
        if method == "DELETE":
            return {"id": parts[0], "object": "file", "deleted": True}
        return files[parts[0]][1] if parts[-1] == "content" else self.about(parts[0])

    def about(self, file_id: str) -> Row:
        """A file as the API shows it."""
        name, data = self.state.files[file_id]
        about = {"object": "file", "purpose": "batch", "status": self.status()}
        return {
            **about,
            "id": file_id,
            "filename": name,
            "bytes": len(data),
            "created_at": int(time.time()),
        }

    def status(self) -> str:
        """Whether a file was read by now."""
        self.state.reading -= 1
        return "pending" if self.state.reading >= 0 else "processed"

    def batch(self, method: str, parts: list[str], body: bytes) -> Any:
        """`/batches` and below."""
        batches = self.state.batches
        if method == "POST" and not parts:
            asked = json.loads(body)
            if asked["input_file_id"] not in self.state.files:
                return None
            batch_id = f"batch_{len(batches) + 1}"
            batches[batch_id] = {
                **asked, "id": batch_id, "object": "batch", "status": "validating",
                "created_at": int(time.time()), "output_file_id": None, "error_file_id": None,
                "errors": None, "request_counts": {"total": 0, "completed": 0, "failed": 0},
                **({"metadata": None} if self.state.azure else {}),
            }  # fmt: skip
            return batches[batch_id]
        if not parts:
            return self.listed()
        if parts[-1] == "cancel" and parts[0] in batches:
            batches[parts[0]]["status"] = "cancelling"
        return batches.get(parts[0])

    def listed(self) -> Row:
        """The batches, the newest first, a page at a time."""
        after = re.search(r"after=([^&]+)", self.path)
        newest = list(reversed(self.state.batches.values()))
        ids = [one["id"] for one in newest]
        start = ids.index(after[1]) + 1 if after else 0
        page = newest[start : start + self.state.page]
        more = start + self.state.page < len(newest)
        last = page[-1]["id"] if page else None
        return {"object": "list", "data": page, "has_more": more, "last_id": last}

    def send(self, status: int, value: Any) -> None:
        """One document."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Any route."""
        self.handle_one("GET")

    def do_POST(self) -> None:
        """Any route."""
        self.handle_one("POST")

    def do_DELETE(self) -> None:
        """Any route."""
        self.handle_one("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class Quiet(ThreadingHTTPServer):
    """A client that died mid-call is no error."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed client is what the tests are about."""


@contextmanager
def serving() -> Iterator[Server]:
    """Serves until the block ends."""
    state = State()
    server = Quiet(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}/v1", state)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
