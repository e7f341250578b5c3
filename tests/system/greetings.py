"""A team of one application that greets, and its invented requests."""

from __future__ import annotations

from typing import Any

BASE, GOOD, WORSE, TORN = "2026-05-04", "2026-05-05", "2026-05-06", "2026-05-07"
TRACES = 60


def build_trace(night: str, number: int, **more: Any) -> dict[str, Any]:
    """One ordinary request, invented; on the worse night half the answers do not greet."""
    greets = night != WORSE or number % 2
    return {
        "trace_id": f"{night}-{number}",
        "ts": f"{night}T08:{number % 60:02d}:00Z",
        "app": "hello",
        "input": f"Greet guest {number}.",
        "output": f"{'Hello' if greets else 'Go away'}, guest {number}.",
        "prompt_version": "v2" if night == WORSE else "v1",
        **more,
    }


def build_catalog() -> dict[str, Any]:
    """A catalog of one application that greets."""
    greets = {"assertion": "regex", "params": {"pattern": "^Hello"}}
    question = "Does it greet?"
    dimensions = [
        {"dimension": "greets", "question": question, "check": greets, "recorded": True},
    ]
    gate = {"max_drop": 0.2, "baseline_nights": 2, "dimensions": ["greets"]}
    return {
        "catalog.yaml": {"title": "Greetings", "since": BASE},
        "slices.yaml": [{"slice": "prompt", "by": "prompt_version"}],
        "apps/hello.yaml": {
            "app": "hello",
            "suite": "hello",
            "gate": gate,
            "review_queue": 6,
            "cadence": "irregular",
        },
        "suites/hello.yaml": {"suite": "hello", "dimensions": dimensions},
    }
