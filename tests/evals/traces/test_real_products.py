"""Promises of real Langfuse and LangSmith exports; skips where ../shared is absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.records import Label, Trace
from evals.traces import reader
from evals.traces.messages import exchanges

SHARED = Path(__file__).parents[4] / "shared" / "data" / "trace_fixtures"
LANGFUSE = sorted(
    path for path in (SHARED / "langfuse").glob("*.json") if ".chatml." not in path.name
)
WITH_MESSAGES = [path for path in LANGFUSE if path.name.endswith(".trace.json")]
LANGSMITH = sorted((SHARED / "langsmith").glob("langsmith_*.json"))
pytestmark = pytest.mark.skipif(not LANGFUSE, reason="../shared/data is absent")
DIFFERENCES = {
    # A tool's result that is JSON stays the text it was; Langfuse shows it parsed.
    ("langgraph-python-2025-08-22", "21441266a9f21251", "output"),
    # A function's response is a tool's message; Langfuse leaves it to the user.
    ("google-adk-2025-08-28", "bded677884f031ce", "input"),
}
"""Where our messages differ from Langfuse's own, with the reason."""


def extract_words(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Extracts roles and texts, Anthropic's text blocks and Gemini's role `model` included."""
    pairs = []
    for message in messages:
        if message.get("role"):
            content = message.get("content") or ""
            if isinstance(content, list):
                content = "\n".join(block["text"] for block in content if "text" in block)
            role = "assistant" if message["role"] == "model" else message["role"]
            pairs.append((role, content))
    return pairs


def read_all(path: Path) -> list[Any]:
    """Reads everything in a file, under one application."""
    return list(reader.read_file(path, mappings={}, app="real"))


@pytest.mark.parametrize("path", WITH_MESSAGES, ids=lambda path: path.name)
def test_messages_are_those_that_langfuse_reads(path: Path) -> None:
    """Roles and content are equal wherever it could read them, except for the differences above."""
    name = path.name.removesuffix(".trace.json")
    chatml = json.loads(path.with_name(f"{name}.chatml.json").read_text())
    observations = {item["id"]: item for item in json.loads(path.read_text())["observations"]}
    different = set()
    for key, sides in chatml.items():
        for side in ("input", "output"):
            expected = (
                extract_words(sides[side]["data"]) if sides.get(side, {}).get("success") else []
            )
            if (
                expected
                and extract_words(exchanges.read_messages(observations[key][side])) != expected
            ):
                different.add((name, key, side))
    assert different == {item for item in DIFFERENCES if item[0] == name}


@pytest.mark.parametrize("path", WITH_MESSAGES, ids=lambda path: path.name)
def test_the_answer_is_the_text_of_the_last_call_with_text(path: Path) -> None:
    """It is so whatever state, event or response wraps it in the outermost observation."""
    name = path.name.removesuffix(".trace.json")
    chatml = json.loads(path.with_name(f"{name}.chatml.json").read_text())
    calls = [o for o in json.loads(path.read_text())["observations"] if o["type"] == "GENERATION"]
    calls.sort(key=lambda call: call["endTime"])
    outputs = [chatml.get(call["id"], {}).get("output", {}).get("data") or [] for call in calls]
    spoken_texts = [text for output in outputs for _, text in extract_words(output)[-1:] if text]
    (trace, *_) = read_all(path)
    if spoken_texts:
        assert trace.output.strip() == spoken_texts[-1].strip()
    assert spoken_texts or not trace.output.startswith("{")
    assert trace.input[:1] not in ("", "{", "[")


@pytest.mark.parametrize("path", LANGFUSE, ids=lambda path: path.name)
def test_no_part_of_a_langfuse_trace_is_lost(path: Path) -> None:
    """Every observation is a step or the trace; tokens, cost and scores are those of the export."""
    export = json.loads(path.read_text())
    observations, scores = export["observations"], export["trace"].get("scores", [])
    (trace, *labels) = read_all(path)
    assert isinstance(trace, Trace)
    assert trace.source_format == "langfuse"
    assert trace.trace_id == export["trace"]["id"]
    ids = {step.get("span_id") for step in trace.steps}
    missing = [item for item in observations if item["id"] not in ids]
    assert len(missing) <= 1
    assert all(item["type"] in ("SPAN", "CHAIN", "AGENT") for item in missing)
    assert all(isinstance(label, Label) for label in labels)
    assert [(label.dimension, label.verdict) for label in labels] == [
        (score["name"], score["value"]) for score in scores
    ]
    assert {label.annotator_kind for label in labels} <= {"judge"}
    assert trace.input
    assert trace.output or any(step.get("tool_calls") for step in trace.steps)
    if seconds := export["trace"].get("latency"):
        assert trace.latency_ms == pytest.approx(seconds * 1000, abs=1)
    generations = [item for item in observations if item["type"] == "GENERATION"]
    if len(generations) == 1:
        (generation,) = generations
        assert trace.tokens_in == generation["inputUsage"]
        assert trace.cost_usd == pytest.approx(generation["totalCost"])


@pytest.mark.parametrize("path", LANGSMITH, ids=lambda path: path.name)
def test_posts_and_patches_are_one_trace(path: Path) -> None:
    """The input is from the post, and the output and the end are from the patch."""
    export = json.loads(path.read_text())
    outputs = export["patch"][0]["outputs"]
    (trace,) = read_all(path)
    assert trace.source_format == "langsmith"
    assert trace.trace_id == export["post"][0]["trace_id"]
    assert trace.input == export["post"][0]["inputs"]["messages"][-1]["content"]
    assert trace.output == outputs["choices"][0]["message"]["content"]
    assert (trace.model_requested, trace.model) == (
        export["post"][0]["inputs"]["model"],
        outputs["model"],
    )
    usage = outputs["usage_metadata"] or {}
    assert (trace.tokens_in, trace.tokens_out) == (
        usage.get("input_tokens"),
        usage.get("output_tokens"),
    )
    assert trace.latency_ms
    assert trace.finish_reason == "stop"
    assert trace.provider == "openai"


def test_files_of_other_formats_are_refused() -> None:
    """Recorded calls of another SDK, and judge verdicts, are refused row by row."""
    for path in [*(SHARED / "langsmith").glob("*.jsonl"), *(SHARED / "ragas").glob("*.json")]:
        items = read_all(path)
        assert items
        assert {type(item).__name__ for item in items} == {"Refusal"}, path.name
