"""OpenAI calls as logged: a request and its response a row, or the output of the Batch API.

Chat completions and Responses, streamed or not, under the names logs give them; the words
themselves are read by `exchanges`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evals.records import Json, digest
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import BROKEN, Line, open_unpacked, read_lines
from evals.traces.files.strict_json import Parsed, Refused, parse, parse_inner
from evals.traces.messages import exchanges
from evals.traces.messages.chat import as_json
from evals.traces.messages.parts import Messages
from evals.traces.rows import canonical
from evals.traces.rows.canonical import Found, Reading

NAME = "openai"
REQUEST = ("request", "request_body", "req", "request_json", "input_body", "kwargs", "params")
RESPONSE = ("response", "response_body", "resp", "response_json", "completion", "output_body")
ASKS = ("messages", "input", "prompt")
ANSWERS = ("choices", "output", "object", "body")
STARTED = ("ts", "timestamp", "time", "created_at", "start_time", "started_at", "request_time")
TOOK = ("latency_ms", "duration_ms", "elapsed_ms", "response_ms", "response_time_ms")
IDS = ("trace_id", "request_id", "id")
Object = dict[str, Json]


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows hold a request or a response in OpenAI's shape, or Batch files."""
    paths = list_key_paths(head)
    if "custom_id" in paths:
        return bool(paths & {"response", "error", "body"})
    if {"id", "object", "choices", "model"} <= paths or {"id", "object", "output"} <= paths:
        return True
    asks = any(f"{name}.{key}" in paths for name in REQUEST for key in ASKS)
    answers = any(f"{name}.{key}" in paths for name in RESPONSE for key in ANSWERS)
    return answers or (asks and any(name in paths for name in RESPONSE))


def read(rows: Iterable[Line], reading: Reading) -> Iterator[Found]:
    """One trace or one refusal a row; a Batch input whose output lies beside it has no rows."""
    requests = Requests(reading.path)
    for line in rows:
        parsed = None
        try:
            parsed = canonical.parse_row(line)
            if is_batch_input(parsed.row):
                if requests.has_output():
                    return
                raise Refused(
                    "no-response",
                    "The row is a request of the Batch API; put the batch's output file beside "
                    "this one and import that.",
                )
            parsed = Parsed(convert_row(parsed.row, requests.find_request), plain=False)
            yield canonical.build_trace(parsed, reading, NAME, line.number)
        except Refused as problem:
            yield canonical.make_refusal(problem, line.raw, line.number, reading, parsed)


def is_batch_input(row: Object) -> bool:
    """Whether a row is one of a Batch input file."""
    return "custom_id" in row and "body" in row and "response" not in row


def convert_row(row: Object, request_of: Callable[[Json], Object]) -> Object:
    """Converts a logged call to canonical names; other keys are kept as they are."""
    asked = find_object(row, REQUEST) or request_of(row.get("custom_id"))
    answered = find_object(row, RESPONSE)
    if not asked and not answered and ("choices" in row or "object" in row):
        row, answered = {}, row
    taken = {name for name in (*REQUEST, *RESPONSE) if name in row}
    rest = {key: value for key, value in row.items() if key not in taken}
    body = unwrap_response(answered)
    found = {**exchanges.describe_request(asked), **exchanges.describe_response(body)}
    fingerprint = found.pop("system_fingerprint", None)
    chat = exchanges.read_messages(asked)
    if not chat or chat[0].get("role") not in ("system", "developer"):
        chat = [*exchanges.read_system(body), *chat]
    spoken = exchanges.read_messages(body)
    found |= {
        "messages": as_json(chat),
        "output": exchanges.read_answer(body) if spoken else None,
        "steps": build_steps(body, found, spoken, find_problem(row, answered)),
        "ts": next((row[key] for key in STARTED if row.get(key)), None) or find_created(body),
        "latency_ms": next((row[key] for key in TOOK if row.get(key) is not None), None),
        "user_id": asked.get("user") or asked.get("safety_identifier"),
        "session_id": find_session(asked),
        "versions": find_versions(fingerprint, asked.get("tools")),
    }
    found |= identify_call(row, body, asked)
    beside = {key: value for key, value in rest.items() if key not in (*STARTED, *TOOK, *IDS)}
    return merge_metadata(found, beside, asked, body)


def find_versions(fingerprint: Json, tools: Json) -> Object:
    """What the call ran with; the tools offered by a hash of their definitions."""
    told = {"system_fingerprint": fingerprint, "tools": digest(tools, 12) if tools else None}
    return exchanges.drop_missing(told)


def merge_metadata(found: Object, beside: Object, asked: Object, body: Object) -> Object:
    """Merges the known fields, the other keys, and the metadata of request and response."""
    metadata = beside.pop("metadata", None)
    told = metadata if type(metadata) is dict else {} if metadata is None else {"note": metadata}
    for holder, names in ((asked, ASKED_TOO), (body, ANSWERED_TOO)):
        told |= {name: holder[name] for name in names if holder.get(name) is not None}
    if type(choices := body.get("choices")) is list and len(choices) > 1:
        told["choices"] = choices[1:]
    if told.get("id") == found["trace_id"]:
        del told["id"]
    if type(own := asked.get("metadata")) is dict:
        own = {key: it for key, it in own.items() if key != "session_id"}
        told = {**own, **told}
    for key, value in beside.items():
        if value is not None:
            found[key] = value
    return {**found, "metadata": told}


ASKED_TOO = ("tools", "previous_response_id", "modalities", "web_search_options")
ANSWERED_TOO = ("id", "usage", "error", "refusal")
"""Keys of a request and a response that have no field of their own."""


def identify_call(row: Object, body: Object, asked: Object) -> Object:
    """Identifies a call: by the log's id, the response's, or a hash of its content."""
    custom = row.get("custom_id")
    own = row.get("trace_id") if custom is not None else find_value(row, IDS)
    given = own or body.get("id") or (row.get("id") if custom is not None else None)
    found: Object = {"trace_id": given or f"call-{digest([asked, body, row], 24)}"}
    return found if custom is None else {**found, "custom_id": custom}


def find_object(row: Object, names: tuple[str, ...]) -> Object:
    """The object under the first of some names, also where it is JSON in a text."""
    for name in names:
        value = row.get(name)
        value = parse_inner(value) if type(value) is str else value
        if type(value) is list and value:
            value = join_chunks(value)
        if type(value) is dict:
            return value
    return {}


def find_value(row: Object, names: tuple[str, ...]) -> Json:
    """Finds the first value under some names that is not empty."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def unwrap_response(answered: Object) -> Object:
    """The response itself, taken out of its HTTP envelope."""
    body = answered.get("body")
    body = parse_inner(body) if type(body) is str else body
    return body if type(body) is dict else answered


def find_problem(row: Object, answered: Object) -> str | None:
    """Finds the error message in the log or the HTTP envelope."""
    body = unwrap_response(answered)
    for said in (row.get("error"), body.get("error"), answered.get("error")):
        if said:
            message = said.get("message") if type(said) is dict else said
            return message if type(message) is str and message else json.dumps(said)
    status = answered.get("status_code")
    return f"HTTP {status}" if type(status) is int and status >= 400 else None


def build_steps(body: Object, found: Object, spoken: Messages, problem: str | None) -> list[Json]:
    """The call itself with the tools that its answer calls, and what a provider's own gave back."""
    known = ("model", "finish_reason", "tokens_in", "tokens_out")
    calls = [call for message in spoken for call in message.get("tool_calls", ())]
    thoughts = [message["reasoning"] for message in spoken if "reasoning" in message]
    step: Object = {"kind": "llm", "name": "response" if "output" in body else "chat"}
    step |= {key: found.get(key) for key in known}
    step |= {"tool_calls": as_json(calls) or None, "reasoning": "\n".join(thoughts) or None}
    names = {call.get("id"): call["function"]["name"] for call in calls}
    results = [message for message in spoken if message["role"] == "tool"]
    return [
        exchanges.drop_missing({**step, "error": problem}),
        *(
            exchanges.drop_missing(
                {
                    "kind": "tool",
                    "name": names.get(given.get("tool_call_id")),
                    "call_id": given.get("tool_call_id"),
                    "output": given["content"],
                }
            )
            for given in results
        ),
    ]


def find_created(body: Object) -> str | None:
    """When the response was made, as ISO text; the API has seconds since 1970."""
    seconds = body.get("created") or body.get("created_at")
    if not isinstance(seconds, int | float) or not 0 < seconds < 7e9:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def find_session(asked: Object) -> Json:
    """The conversation a request belongs to."""
    conversation = asked.get("conversation")
    known = conversation.get("id") if type(conversation) is dict else conversation
    told = asked.get("metadata")
    return known or (told.get("session_id") if type(told) is dict else None)


def join_chunks(chunks: list[Json]) -> Object:
    """The response that the chunks of a stream add up to; empty where they are none."""
    objects = [chunk for chunk in chunks if type(chunk) is dict]
    ended = [response for c in objects if type(response := c.get("response")) is dict]
    if ended:
        return ended[-1]
    found: Object = {}
    texts: list[str] = []
    calls: dict[str, StreamedCall] = {}
    reason: Json = None
    for chunk in objects:
        if type(choices := chunk.get("choices")) is not list:
            continue
        found |= {key: value for key, value in chunk.items() if value is not None}
        for choice in choices:
            if type(choice) is dict and type(delta := choice.get("delta")) is dict:
                texts += [text] if type(text := delta.get("content")) is str else []
                add_calls(calls, delta.get("tool_calls"))
                reason = choice.get("finish_reason") or reason
    message: Object = {"role": "assistant", "content": "".join(texts)}
    if calls:
        message["tool_calls"] = [call.as_json() for call in calls.values()]
    return {**found, "choices": [{"message": message, "finish_reason": reason}]} if found else {}


@dataclass(slots=True)
class StreamedCall:
    """A tool call, put together from the chunks of a stream."""

    call_id: Json = None
    name: Json = None
    arguments: str = ""

    def as_json(self) -> Json:
        """The call as a response that was not streamed holds it."""
        return {"function": {"arguments": self.arguments, "name": self.name}, "id": self.call_id}


def add_calls(calls: dict[str, StreamedCall], deltas: Json) -> None:
    """Adds the tool call deltas of a chunk."""
    for delta in deltas if type(deltas) is list else ():
        if type(delta) is not dict or type(function := delta.get("function")) is not dict:
            continue
        known = calls.setdefault(str(delta.get("index")), StreamedCall())
        known.call_id = delta.get("id") or known.call_id
        known.name = function.get("name") or known.name
        arguments = function.get("arguments")
        known.arguments += arguments if type(arguments) is str else ""


class Requests:
    """The requests of the Batch input files that lie beside an output, found when first asked."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, bytes] | None = None

    def find_request(self, custom_id: Json) -> Object:
        """The request that an output answers; empty where no file has it."""
        if type(custom_id) is not str or self.path is None:
            return {}
        if self.known is None:
            self.known = self.read_requests(self.path)
        raw = self.known.get(custom_id)
        body = parse(raw).row.get("body") if raw else None
        return body if type(body) is dict else {}

    def read_requests(self, path: Path) -> dict[str, bytes]:
        """The lines of every Batch input in the folder, by custom id; the nearest name wins."""
        known: dict[str, bytes] = {}
        for beside in list_neighbours(path):
            for line in read_file_lines(beside):
                try:
                    row = parse(line.raw).row if not line.code else {}
                except Refused:
                    continue
                if not is_batch_input(row):
                    break
                known.setdefault(str(row["custom_id"]), line.raw)
        return known

    def has_output(self) -> bool:
        """Whether a file beside this one holds answers of a batch."""
        if self.path is None:
            return False
        starts = (next(read_file_lines(beside), None) for beside in list_neighbours(self.path))
        return any(
            line and b'"custom_id"' in line.raw and b'"response"' in line.raw for line in starts
        )


def list_neighbours(path: Path) -> list[Path]:
    """The other JSONL files of a folder, those first whose names begin most alike."""

    def alike(other: Path) -> int:
        pairs = zip(path.name, other.name, strict=False)
        return next((at for at, (a, b) in enumerate(pairs) if a != b), 0)

    files = (other for other in path.parent.iterdir() if ".jsonl" in other.name and other != path)
    return sorted((file for file in files if file.is_file()), key=lambda f: (-alike(f), f.name))


def read_file_lines(path: Path) -> Iterator[Line]:
    """A file's lines; none where it cannot be read."""
    try:
        with open_unpacked(path) as stream:
            yield from read_lines(stream)
    except BROKEN:
        return
