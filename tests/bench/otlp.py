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


def value(given: Any) -> dict[str, Any]:
    """A value in its wrapper of one type."""
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(item) for item in given]}}
    if isinstance(given, int):
        return {"intValue": str(given)}
    return {"doubleValue": given} if isinstance(given, float) else {"stringValue": given}


def attributes(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP lists them."""
    return [{"key": key, "value": value(item)} for key, item in given.items()]


def said(role: str, text: str) -> dict[str, Any]:
    """A message of one part."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def drawn(number: int, place: int) -> str:
    """An id as tracers draw them."""
    return hashlib.sha256(f"{number} {place}".encode()).hexdigest()


def trace(number: int) -> list[dict[str, Any]]:
    """The four spans of a question about a parcel."""

    def span(place: int, name: str, told: dict[str, Any]) -> dict[str, Any]:
        begin = START + number * 10**7 + place * 10**8
        return {
            "traceId": drawn(number, 0)[:32],
            "spanId": drawn(number, place)[:16],
            "parentSpanId": drawn(number, 1)[:16] if place > 1 else "",
            "name": name,
            "kind": 3,
            "startTimeUnixNano": str(begin),
            "endTimeUnixNano": str(begin + 10**9),
            "attributes": attributes({"gen_ai.operation.name": name, **told}),
            "status": {},
        }

    question = f"Where is parcel {number}?"
    passages = [{"id": f"d{n}", "content": TEXT * 12, "score": 0.9 - n / 10} for n in range(3)]
    asked = question + "\n".join(passage["content"] for passage in passages)
    chat = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 412,
        "gen_ai.usage.output_tokens": 61,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": TEXT * 20}]),
        "gen_ai.input.messages": json.dumps([said("user", asked)]),
        "gen_ai.output.messages": json.dumps([said("assistant", TEXT * 8)]),
    }
    found = {"gen_ai.retrieval.query.text": question}
    found["gen_ai.retrieval.documents"] = json.dumps(passages)
    tool = {"gen_ai.tool.name": "track", "gen_ai.tool.call.result": TEXT}
    agent = {"gen_ai.conversation.id": f"s-{number // 3}", "user.id": f"u-{number // 9}"}
    return [
        span(1, "invoke_agent", agent),
        span(2, "retrieval", found),
        span(3, "execute_tool", tool),
        span(4, "chat", chat),
    ]


def write(path: Path) -> int:
    """Writes the file; returns its bytes."""
    resource = {"attributes": attributes({"service.name": "bench", "service.version": "1.2.3"})}
    with path.open("wb") as file:
        for at in range(0, COUNT, A_LINE):
            spans = [span for number in range(at, at + A_LINE) for span in trace(number)]
            group = {"resource": resource, "scopeSpans": [{"spans": spans}]}
            file.write(orjson.dumps({"resourceSpans": [group]}) + b"\n")
    return path.stat().st_size


def reading(path: Path) -> tuple[float, float]:
    """CPU seconds to canonical traces, and of orjson alone over the same lines."""
    from evals.traces import reader

    began = time.process_time()
    found = sum(1 for _ in reader.read_file(path, mappings={}))
    own = time.process_time() - began
    assert found == COUNT, found
    began = time.process_time()
    with path.open("rb") as file:
        for row in file:
            orjson.loads(row)
    return own, time.process_time() - began
