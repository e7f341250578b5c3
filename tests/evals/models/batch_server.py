"""A small server with files and batches on this machine; a test steers how it fails and stalls."""

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

from tests.evals.models.model_server import build_completion

Row = dict[str, Any]


def answer_line(line: Row) -> list[Row]:
    """Returns one good row of output: a pass where the message contains `good`."""
    verdict = "pass" if "good" in line["body"]["messages"][-1]["content"] else "fail"
    body = build_completion(line["body"], json.dumps({"critique": "c", "verdict": verdict}))
    return [build_row(line, {"status_code": 200, "request_id": "r", "body": body})]


def build_row(line: Row, response: Row | None, error: Row | None = None) -> Row:
    """Returns a row of an output or error file."""
    return {"id": "b", "custom_id": line["custom_id"], "response": response, "error": error}


@dataclass
class State:
    """The server's files and batches, the requests it received, and how it behaves now."""

    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[str, Row] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    """Number of requests by route: `POST /files` and so on."""
    script: Callable[[Row], list[Row]] = answer_line
    """Makes the rows of output for a line of a file."""
    faults: list[tuple[str, int]] = field(default_factory=list)
    """Routes with the status of their next response; 0: the connection is cut after the work."""
    stall: str = ""
    """`before POST /files`, `after POST /batches`: the point where the server waits for ever."""
    stalled: threading.Event = field(default_factory=threading.Event)
    page: int = 100
    live: int = 0
    """Number of live calls."""
    azure: bool = False
    """Serves under `/openai` with an `api-version`, as Azure does, and drops metadata."""
    reading: int = 0
    """How many more requests for a file answer that it is pending."""
    encoding: str = ""
    """The content encoding of files of answers, which are stored encoded."""
    cuts_files: bool = False
    """Whether the connection ends in the middle of a file of answers."""
    keys: set[str | None] = field(default_factory=set)
    """The `api-key` headers received."""

    def list_requests(self, batch_id: str) -> list[Row]:
        """Returns the requests of a batch."""
        data = self.files[self.batches[batch_id]["input_file_id"]][1]
        return [json.loads(line) for line in data.splitlines()]

    def count_submissions(self) -> Counter[tuple[str, str]]:
        """Returns how often each request was submitted in a batch."""
        return Counter(
            (line["custom_id"], json.dumps(line["body"]))
            for b in self.batches
            for line in self.list_requests(b)
        )

    def finish(
        self, status: str = "completed", upto: int | None = None, only: str | None = None
    ) -> None:
        """Ends every open batch, or `only` one, with the answers to its first `upto` requests."""
        for batch_id, batch in self.batches.items():
            if only not in (None, batch_id) or batch["status"] not in (
                "validating",
                "in_progress",
                "cancelling",
            ):
                continue
            lines = self.list_requests(batch_id)
            rows = [row for line in lines[:upto] for row in self.script(line)]
            good = [r for r in rows if not r["error"]]
            bad = [r for r in rows if r["error"]]
            batch["status"] = status
            for key, output in (("output_file_id", good), ("error_file_id", bad)):
                if output:
                    name = f"file-{batch_id}-{key}"
                    data = "".join(json.dumps(r) + "\n" for r in reversed(output))
                    self.files[name] = ("out.jsonl", data.encode())
                    batch[key] = name
            counts = {"total": len(lines), "completed": len(good), "failed": len(bad)}
            batch["request_counts"] = counts


@dataclass(frozen=True)
class Server:
    """A running server and its state."""

    url: str
    state: State


class Handler(BaseHTTPRequestHandler):
    """Answers the routes of files, batches and chat completions."""

    protocol_version = "HTTP/1.1"
    state: State

    def handle_request(self, method: str) -> None:
        """Counts one request, stalls or fails it where a test wants, and answers it."""
        prefix, state = ("/openai" if self.state.azure else "/v1"), self.state
        path = self.path.split("?")[0].removeprefix(prefix)
        state.keys.add(self.headers.get("api-key"))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        route = f"{method} {re.sub(r'/(file-|batch_)[^/]*', '/ID', path)}"
        self.state.requests[route] += 1
        self.stall_at(f"before {route}")
        status = next((s for r, s in self.state.faults if r == route), None)
        if status is not None:
            self.state.faults.remove((route, status))
        if status:
            self.send(
                status, {"error": {"message": "configured to fail", "code": "x", "type": "x"}}
            )
            return
        is_route = self.path.startswith(prefix) and ("api-version=" in self.path or not state.azure)
        value = self.answer(method, path, body) if is_route else None
        self.stall_at(f"after {route}")
        if status == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send(404 if value is None else 200, value if value is not None else {"error": {}})

    def stall_at(self, point: str) -> None:
        """Waits for a minute at the point where the test kills its client."""
        if self.state.stall == point:
            self.state.stalled.set()
            time.sleep(60)

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """Returns the document of a route; None for HTTP 404."""
        parts = path.strip("/").split("/")
        if parts[0] == "chat":
            self.state.live += 1
            line = {"custom_id": "", "body": json.loads(body)}
            return answer_line(line)[0]["response"]["body"]
        if parts[0] == "files":
            return self.answer_file(method, parts[1:], body)
        return self.answer_batch(method, parts[1:], body)

    def answer_file(self, method: str, parts: list[str], body: bytes) -> Any:
        """Returns the document of `/files` and of the routes under it."""
        files = self.state.files
        if method == "POST":
            name = re.search(rb'filename="([^"]+)"', body)
            data = re.search(rb'filename="[^"]+"\r\n.*?\r\n\r\n(.*?)\r\n--', body, re.DOTALL)
            assert name
            assert data
            file_id = f"file-{len(files)}"
            files[file_id] = (name[1].decode(), data[1])
            return self.describe_file(file_id)
        if not parts:
            return {
                "object": "list",
                "has_more": False,
                "data": [self.describe_file(f) for f in files],
            }
        if parts[0] not in files:
            return None
        if method == "DELETE":
            return {"id": parts[0], "object": "file", "deleted": True}
        return files[parts[0]][1] if parts[-1] == "content" else self.describe_file(parts[0])

    def describe_file(self, file_id: str) -> Row:
        """Returns a file as the API shows it."""
        name, data = self.state.files[file_id]
        about = {"object": "file", "purpose": "batch", "status": self.read_status()}
        return {
            **about,
            "id": file_id,
            "filename": name,
            "bytes": len(data),
            "created_at": int(time.time()),
        }

    def read_status(self) -> str:
        """Returns whether a file is still pending, and counts the request."""
        self.state.reading -= 1
        return "pending" if self.state.reading >= 0 else "processed"

    def answer_batch(self, method: str, parts: list[str], body: bytes) -> Any:
        """Returns the document of `/batches` and of the routes under it."""
        batches = self.state.batches
        if method == "POST" and not parts:
            batch = json.loads(body)
            if batch["input_file_id"] not in self.state.files:
                return None
            batch_id = f"batch_{len(batches) + 1}"
            batches[batch_id] = {
                **batch, "id": batch_id, "object": "batch", "status": "validating",
                "created_at": int(time.time()), "output_file_id": None, "error_file_id": None,
                "errors": None, "request_counts": {"total": 0, "completed": 0, "failed": 0},
                **({"metadata": None} if self.state.azure else {}),
            }  # fmt: skip
            return batches[batch_id]
        if not parts:
            return self.list_batches()
        if parts[-1] == "cancel" and parts[0] in batches:
            batches[parts[0]]["status"] = "cancelling"
        return batches.get(parts[0])

    def list_batches(self) -> Row:
        """Returns a page of the batches, the newest first."""
        after = re.search(r"after=([^&]+)", self.path)
        newest = list(reversed(self.state.batches.values()))
        ids = [batch["id"] for batch in newest]
        start = ids.index(after[1]) + 1 if after else 0
        page = newest[start : start + self.state.page]
        more = start + self.state.page < len(newest)
        last = page[-1]["id"] if page else None
        return {"object": "list", "data": page, "has_more": more, "last_id": last}

    def send(self, status: int, value: Any) -> None:
        """Sends one document."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if isinstance(value, bytes) and self.state.encoding:
            self.send_header("content-encoding", self.state.encoding)
        self.end_headers()
        if isinstance(value, bytes) and self.state.cuts_files:
            data, self.close_connection = data[: len(data) // 2], True
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Answers any route."""
        self.handle_request("GET")

    def do_POST(self) -> None:
        """Answers any route."""
        self.handle_request("POST")

    def do_DELETE(self) -> None:
        """Answers any route."""
        self.handle_request("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


class Quiet(ThreadingHTTPServer):
    """A server that reports no client that died in a call."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a killed client: the tests are about it."""


@contextmanager
def serve_batches() -> Iterator[Server]:
    """Serves until the block ends."""
    state = State()
    server = Quiet(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}/v1", state)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
