"""A local server with the parts of the Langfuse, LangSmith and Phoenix APIs that Andon uses.

It answers in the shapes of the real APIs, with the rows a test puts in and the faults it sets.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

SECRET = "sk-lf-" + "1b4de7a2-55aa-4c1e-9f43-0d5f2f6f1a10"
PUBLIC = "pk-lf-0000"
KEYS = {
    "LANGFUSE_PUBLIC_KEY": PUBLIC,
    "LANGFUSE_SECRET_KEY": SECRET,
    "LANGSMITH_API_KEY": "lsv2-canary",
    "PHOENIX_KEY": "phx-canary",
}


class Fault(NamedTuple):
    """A response that a test sets for one call."""

    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b'{"error": "set by a test"}'
    sent: int | None = None
    """How many bytes of the body arrive before a reset; None: all, without one."""
    drip_s: float = 0.0
    """Seconds between two bytes."""


@dataclass
class World:
    """The rows of the three systems, the requests they received, and the faults to come."""

    traces: list[dict[str, Any]] = field(default_factory=list)
    observations: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)
    """The responses to the next calls; None: the normal answer."""
    transform: Callable[[str, Any], Any] = lambda path, answer: answer
    """Changes every answer; receives its path."""
    missing: set[str] = field(default_factory=set)
    """Traces that are listed, and answered with 404 when fetched."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """The headers of each call."""
    slow_s: float = 0.0
    url: str = ""


def is_between(when: str, low: str | None, high: str | None) -> bool:
    """Returns whether a moment is in a time range, its end excluded."""
    at = datetime.fromisoformat(when)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    after = low is None or at >= datetime.fromisoformat(low)
    return after and (high is None or at < datetime.fromisoformat(high))


def make_page(rows: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """Makes a page of a Langfuse listing."""
    page, limit = int(query["page"]), int(query["limit"])
    total = -(-len(rows) // limit)
    meta = {"page": page, "limit": limit, "totalItems": len(rows), "totalPages": total}
    return {"data": rows[(page - 1) * limit : page * limit], "meta": meta}


def answer_langfuse(world: World, path: str, query: dict[str, str]) -> Any:
    """Answers `/api/public/…`."""

    def select(rows: list[dict[str, Any]], key: str, low: str, high: str) -> list[dict[str, Any]]:
        found = [row for row in rows if is_between(row[key], query.get(low), query.get(high))]
        return sorted(found, key=lambda row: row[key])

    if path == "/api/public/traces":
        return make_page(select(world.traces, "timestamp", "fromTimestamp", "toTimestamp"), query)
    if path == "/api/public/observations":
        rows = select(world.observations, "startTime", "fromStartTime", "toStartTime")
        return make_page(rows, query)
    if path == "/api/public/v2/scores":
        return make_page(select(world.scores, "timestamp", "fromTimestamp", "toTimestamp"), query)
    trace_id = unquote(path.removeprefix("/api/public/traces/"))
    if trace_id in world.missing:
        return None
    trace = next(row for row in world.traces if row["id"] == trace_id)
    own = [row for row in world.observations if row["traceId"] == trace_id]
    return {**trace, "observations": own, "scores": []}


def answer_langsmith(world: World, path: str, query: dict[str, str], body: dict[str, Any]) -> Any:
    """Answers `/api/v1/…`."""
    if path == "/api/v1/sessions":
        return [{"id": "session-1", "name": "desk"}]
    if path == "/api/v1/feedback":
        low, high = query["min_created_at"], query["max_created_at"]
        rows = [row for row in world.feedback if is_between(row["created_at"], low, high)]
        at = int(query["offset"])
        return rows[at : at + int(query["limit"])]
    assert body["session"] == ["session-1"]
    low, high = body["filter"].split('"')[1::2]
    rows = sorted(
        (row for row in world.runs if is_between(row["start_time"], low, high)),
        key=lambda row: row["start_time"],
    )
    if path == "/api/v1/runs/stats":
        return {"run_count": len(rows), "latency_p50": 1.5}
    at = int(body["cursor"] or 0)
    following = at + body["limit"]
    more = str(following) if following < len(rows) else None
    return {"runs": rows[at:following], "cursors": {"next": more}}


def answer_phoenix(world: World, path: str, query: dict[str, str], span_ids: list[str]) -> Any:
    """Answers `/v1/projects/PROJECT/…`, newest first."""
    assert unquote(path.split("/")[3]) == "help desk"
    if path.endswith("/span_annotations"):
        return {
            "data": [n for n in world.annotations if n["span_id"] in span_ids],
            "next_cursor": None,
        }
    rows = [
        row
        for row in reversed(world.spans)
        if is_between(row["start_time"], query["start_time"], query["end_time"])
    ]
    at, limit = int(query.get("cursor", 0)), int(query["limit"])
    more = str(at + limit) if at + limit < len(rows) else None
    return {"data": rows[at : at + limit], "next_cursor": more}


class Handler(BaseHTTPRequestHandler):
    """Handles the requests to all three."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    world: World

    def do_GET(self) -> None:
        """Answers a listing."""
        self.answer({})

    def do_POST(self) -> None:
        """Answers a query."""
        raw = self.rfile.read(int(self.headers["content-length"]))
        self.answer(json.loads(raw))

    def answer(self, body: dict[str, Any]) -> None:
        """Sends the fault a test set, or the system's answer."""
        address = urlsplit(self.path)
        many = parse_qs(address.query)
        query = {key: value[0] for key, value in many.items()}
        self.world.requests.append(self.path)
        self.world.headers.append(dict(self.headers))
        if self.world.slow_s:
            threading.Event().wait(self.world.slow_s)
        if self.world.faults and (fault := self.world.faults.pop(0)):
            self.send_fault(fault)
        elif address.path.startswith("/api/public"):
            known = self.headers.get("authorization", "").startswith("Basic ")
            found = answer_langfuse(self.world, address.path, query) if known else {}
            self.reply(401 if not known else 404 if found is None else 200, found)
        elif address.path.startswith("/api/v1"):
            self.reply(200, answer_langsmith(self.world, address.path, query, body))
        else:
            spans = many.get("span_ids", [])
            self.reply(200, answer_phoenix(self.world, address.path, query, spans))

    def reply(self, status: int, value: Any) -> None:
        """Sends a JSON document."""
        self.send_fault(
            Fault(status, body=json.dumps(self.world.transform(self.path, value)).encode())
        )

    def send_fault(self, fault: Fault) -> None:
        """Sends a response as a test set it."""
        self.send_response(fault.status)
        for name, text in {"content-length": str(len(fault.body)), **fault.headers}.items():
            self.send_header(name, text)
        self.end_headers()
        for at in range(len(fault.body)) if fault.drip_s else ():
            threading.Event().wait(fault.drip_s)
            self.wfile.write(fault.body[at : at + 1])
        if fault.drip_s == 0:
            self.wfile.write(fault.body[: fault.sent])
        if fault.sent is not None:
            self.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: `requests` is the log."""


class Server(ThreadingHTTPServer):
    """A server that ignores broken connections: tests break them."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores the error."""


@contextlib.contextmanager
def serve(world: World) -> Iterator[World]:
    """Serves a world's rows until the block ends."""
    handler = type("Bound", (Handler,), {"world": world})
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        world.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield world
        finally:
            server.shutdown()


def format_timestamp(moment: datetime) -> str:
    """Formats a moment as Langfuse does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def add_trace(world: World, number: int, at: datetime, **more: Any) -> None:
    """Adds a trace of a chat with two observations, in Langfuse's shape."""
    name, question = f"lf-{number:04}", f"Where is parcel {number}?"
    reply = f"Parcel {number} is on its way. — the desk"
    about = {"traceId": name, "level": "DEFAULT", "environment": "production"}
    world.observations += [
        {
            **about,
            "id": f"{name}-root",
            "type": "SPAN",
            "name": "chat",
            "parentObservationId": None,
            "startTime": format_timestamp(at),
            "endTime": format_timestamp(at + timedelta(seconds=2)),
            "input": question,
            "output": reply,
        },
        {
            **about,
            "id": f"{name}-gen",
            "type": "GENERATION",
            "name": "answer",
            "parentObservationId": f"{name}-root",
            "startTime": format_timestamp(at + timedelta(milliseconds=300)),
            "endTime": format_timestamp(at + timedelta(seconds=2)),
            "model": "desk-model-1",
            "input": [{"role": "user", "content": question}],
            "output": {"role": "assistant", "content": reply},
            "usageDetails": {"input": 11, "output": 7, "total": 18},
            "costDetails": {"total": 0.0001},
        },
    ]
    world.traces.append(
        {
            "id": name,
            "timestamp": format_timestamp(at),
            "name": "chat",
            "userId": f"user-{number % 3}@example.com",
            "sessionId": f"s-{number // 2}",
            "input": question,
            "output": reply,
            "metadata": {},
            "tags": [],
            "release": None,
            "version": None,
            "public": False,
            "environment": "production",
            "htmlPath": f"/project/p/traces/{name}",
            "latency": 2.0,
            "totalCost": 0.0001,
            "observations": [f"{name}-root", f"{name}-gen"],
            "scores": [],
            **more,
        }
    )


def add_score(world: World, trace: str, at: datetime, name: str = "tone") -> None:
    """Adds a person's score of a trace."""
    world.scores.append(
        {
            "id": f"score-{len(world.scores)}",
            "traceId": trace,
            "observationId": None,
            "name": name,
            "value": 1,
            "stringValue": "True",
            "dataType": "BOOLEAN",
            "source": "ANNOTATION",
            "comment": "fine",
            "timestamp": format_timestamp(at),
            "createdAt": format_timestamp(at),
            "environment": "production",
        }
    )


def add_runs(world: World, number: int, at: datetime) -> None:
    """Adds a trace of two runs, in LangSmith's shape: timestamps without a zone."""
    root, child = f"00000000-0000-4000-8000-{number:012}", f"00000000-0000-4000-9000-{number:012}"
    naive, later = at.replace(tzinfo=None), (at + timedelta(seconds=1)).replace(tzinfo=None)
    first = f"{naive:%Y%m%dT%H%M%S%f}Z{root}"
    common = {"trace_id": root, "session_id": "session-1", "status": "success", "error": None}
    question, reply = f"Where is parcel {number}?", f"Parcel {number} is on its way."
    world.runs += [
        {
            **common,
            "id": root,
            "name": "desk",
            "run_type": "chain",
            "parent_run_id": None,
            "start_time": naive.isoformat(),
            "end_time": later.isoformat(),
            "inputs": {"input": question},
            "outputs": {"output": reply},
            "dotted_order": first,
            "extra": {},
        },
        {
            **common,
            "id": child,
            "name": "ChatOpenAI",
            "run_type": "llm",
            "parent_run_id": root,
            "start_time": later.isoformat(),
            "end_time": later.isoformat(),
            "inputs": {"messages": [{"role": "user", "content": question}]},
            "outputs": {"generations": [[{"text": reply}]]},
            "dotted_order": f"{first}.{later:%Y%m%dT%H%M%S%f}Z{child}",
            "extra": {"invocation_params": {"model": "desk-model-1"}},
        },
    ]


def add_spans(world: World, number: int, at: datetime) -> None:
    """Adds a trace of two spans, in Phoenix's shape."""
    trace, root, child = f"{number:032x}", f"{2 * number:016x}", f"{2 * number + 1:016x}"
    question, reply = f"Where is parcel {number}?", f"Parcel {number} is on its way."
    common = {"status_code": "OK", "status_message": "", "events": []}
    world.spans += [
        {
            **common,
            "id": f"U3BhbjoxMDA{number}",
            "name": "desk",
            "context": {"trace_id": trace, "span_id": root},
            "span_kind": "CHAIN",
            "parent_id": None,
            "start_time": at.isoformat(),
            "end_time": (at + timedelta(seconds=2)).isoformat(),
            "attributes": {"input.value": question, "output.value": reply},
        },
        {
            **common,
            "id": f"U3BhbjoyMDA{number}",
            "name": "ChatCompletion",
            "context": {"trace_id": trace, "span_id": child},
            "span_kind": "LLM",
            "parent_id": root,
            "start_time": (at + timedelta(seconds=1)).isoformat(),
            "end_time": (at + timedelta(seconds=2)).isoformat(),
            "attributes": {
                "llm.model_name": "desk-model-1",
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": question,
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": reply,
            },
        },
    ]
