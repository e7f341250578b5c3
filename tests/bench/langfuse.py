"""Langfuse's blob export, observations one a line: a chain, a retrieval, a tool and a generation.

Makes the file; reading is timed as that of OTLP is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.bench.otlp import COUNT, TEXT


def build_observations(number: int) -> list[dict[str, Any]]:
    """Builds the four observations of a question about a parcel."""
    shared = {"environment": "default", "level": "DEFAULT", "user_id": "u", "session_id": "s"}
    shared |= {"trace_name": "ask", "tags": ["beta"], "release": "", "status_message": ""}
    question = f"Where is parcel {number}?"
    passages = [{"page_content": TEXT * 12, "metadata": {"id": f"d{n}"}} for n in range(3)]
    request = question + "\n".join(passage["page_content"] for passage in passages)
    chat = [{"role": "system", "content": TEXT * 20}, {"role": "user", "content": request}]

    def build_row(place: int, kind: str, request: Any, answer: Any, **more: Any) -> dict[str, Any]:
        at = f"2026-10-01 12:{number // 60 % 60:02}:{number % 60:02}.{place}00000"
        return {
            "id": f"o{number:x}-{place}",
            "trace_id": f"t{number:x}",
            "type": kind,
            "parent_observation_id": f"o{number:x}-0" if place else "",
            "start_time": at,
            "end_time": at,
            "name": kind.lower(),
            "input": json.dumps(request),
            "output": json.dumps(answer),
            "metadata": json.dumps({"resourceAttributes": {"service.name": "shop"}}),
            **shared,
            **more,
        }

    usage = {"usage_details": {"input": 412, "output": 61}, "cost_details": {"total": 0.002}}
    model = {"provided_model_name": "gpt-4o-2024-08-06", "model_parameters": '{"temperature": 0.2}'}
    answer = {"role": "assistant", "content": TEXT * 8}
    return [
        build_row(0, "CHAIN", {"question": question}, TEXT * 8),
        build_row(1, "RETRIEVER", question, passages),
        build_row(2, "TOOL", {"parcel": number}, {"city": "Bonn"}),
        build_row(3, "GENERATION", chat, answer, **usage, **model),
    ]


def write_file(path: Path) -> int:
    """Writes a file of traces; returns its size."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(COUNT):
            file.writelines(json.dumps(row) + "\n" for row in build_observations(number))
    return path.stat().st_size
