"""OTLP JSON as a Collector's file exporter writes it: an agent, a retrieval, a tool and a chat.

Makes the file and times the reading of it; redaction and writing are measured elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import orjson

COUNT, A_LINE = 40_000, 16
"""Traces of a day, and of a line."""
START = 1_790_856_000_000_000_000
TEXT = "The parcel left the depot this morning and arrives tomorrow. "


def wrap_value(content: Any) -> dict[str, Any]:
    """Wraps a value by its type."""
    if isinstance(content, list):
        return {"arrayValue": {"values": [wrap_value(item) for item in content]}}
    if isinstance(content, int):
        return {"intValue": str(content)}
    return {"doubleValue": content} if isinstance(content, float) else {"stringValue": content}


def list_attributes(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Lists attributes as OTLP does."""
    return [{"key": key, "value": wrap_value(item)} for key, item in content.items()]


def build_message(role: str, text: str) -> dict[str, Any]:
    """Builds a message of one part."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def draw_id(number: int, place: int) -> str:
    """Draws an id as tracers do."""
    return hashlib.sha256(f"{number} {place}".encode()).hexdigest()


def build_spans(number: int) -> list[dict[str, Any]]:
    """Builds the four spans of a question about a parcel."""

    def build_span(place: int, name: str, extra: dict[str, Any]) -> dict[str, Any]:
        begin = START + number * 10**7 + place * 10**8
        return {
            "traceId": draw_id(number, 0)[:32],
            "spanId": draw_id(number, place)[:16],
            "parentSpanId": draw_id(number, 1)[:16] if place > 1 else "",
            "name": name,
            "kind": 3,
            "startTimeUnixNano": str(begin),
            "endTimeUnixNano": str(begin + 10**9),
            "attributes": list_attributes({"gen_ai.operation.name": name, **extra}),
            "status": {},
        }

    question = f"Where is parcel {number}?"
    passages = [{"id": f"d{n}", "content": TEXT * 12, "score": 0.9 - n / 10} for n in range(3)]
    prompt = question + "\n".join(passage["content"] for passage in passages)
    chat = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 412,
        "gen_ai.usage.output_tokens": 61,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": TEXT * 20}]),
        "gen_ai.input.messages": json.dumps([build_message("user", prompt)]),
        "gen_ai.output.messages": json.dumps([build_message("assistant", TEXT * 8)]),
    }
    retrieval = {"gen_ai.retrieval.query.text": question}
    retrieval["gen_ai.retrieval.documents"] = json.dumps(passages)
    tool = {"gen_ai.tool.name": "track", "gen_ai.tool.call.result": TEXT}
    agent = {"gen_ai.conversation.id": f"s-{number // 3}", "user.id": f"u-{number // 9}"}
    return [
        build_span(1, "invoke_agent", agent),
        build_span(2, "retrieval", retrieval),
        build_span(3, "execute_tool", tool),
        build_span(4, "chat", chat),
    ]


def write_file(path: Path) -> int:
    """Writes the file; returns its bytes."""
    resource = {
        "attributes": list_attributes({"service.name": "bench", "service.version": "1.2.3"})
    }
    with path.open("wb") as file:
        for at in range(0, COUNT, A_LINE):
            spans = [span for number in range(at, at + A_LINE) for span in build_spans(number)]
            group = {"resource": resource, "scopeSpans": [{"spans": spans}]}
            file.write(orjson.dumps({"resourceSpans": [group]}) + b"\n")
    return path.stat().st_size


def time_reading(path: Path) -> tuple[float, float]:
    """Times reading to canonical traces, and orjson alone over the same lines, in CPU seconds."""
    from evals.traces import reader

    began = time.process_time()
    retrieval = sum(1 for _ in reader.read_file(path, mappings={}))
    own = time.process_time() - began
    assert retrieval == COUNT, retrieval
    began = time.process_time()
    with path.open("rb") as file:
        for row in file:
            orjson.loads(row)
    return own, time.process_time() - began
