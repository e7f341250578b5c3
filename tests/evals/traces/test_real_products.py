"""Exports that Langfuse and LangSmith wrote, read as they are; skips where ../shared is absent."""

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
TOLD = [path for path in LANGFUSE if path.name.endswith(".trace.json")]
LANGSMITH = sorted((SHARED / "langsmith").glob("langsmith_*.json"))
pytestmark = pytest.mark.skipif(not LANGFUSE, reason="../shared/data is absent")
OTHERWISE = {
    # A tool's result that is JSON stays the text it was; Langfuse shows it parsed.
    ("langgraph-python-2025-08-22", "21441266a9f21251", "output"),
    # A function's response is a tool's message; Langfuse leaves it to the user.
    ("google-adk-2025-08-28", "bded677884f031ce", "input"),
}
"""Where our messages differ from Langfuse's own, and why."""


def words(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Roles and texts: of Anthropic's blocks those of text, and Gemini's model is the assistant."""
    found = []
    for message in messages:
        if message.get("role"):
            content = message.get("content") or ""
            if isinstance(content, list):
                content = "\n".join(block["text"] for block in content if "text" in block)
            role = "assistant" if message["role"] == "model" else message["role"]
            found.append((role, content))
    return found


def read(path: Path) -> list[Any]:
    """Everything a file yields, under one application."""
    return list(reader.read_file(path, mappings={}, app="real"))


@pytest.mark.parametrize("path", TOLD, ids=lambda path: path.name)
def test_messages_are_those_langfuse_itself_reads(path: Path) -> None:
    """Roles and content of every input and output it could read, but for those named above."""
    name = path.name.removesuffix(".trace.json")
    told = json.loads(path.with_name(f"{name}.chatml.json").read_text())
    observations = {item["id"]: item for item in json.loads(path.read_text())["observations"]}
    different = set()
    for key, sides in told.items():
        for side in ("input", "output"):
            expected = words(sides[side]["data"]) if sides.get(side, {}).get("success") else []
            if expected and words(exchanges.read_messages(observations[key][side])) != expected:
                different.add((name, key, side))
    assert different == {item for item in OTHERWISE if item[0] == name}


@pytest.mark.parametrize("path", TOLD, ids=lambda path: path.name)
def test_the_answer_is_in_the_words_of_the_last_call_that_spoke(path: Path) -> None:
    """Whatever state, event or response of a provider the outermost observation keeps it in."""
    name = path.name.removesuffix(".trace.json")
    told = json.loads(path.with_name(f"{name}.chatml.json").read_text())
    calls = [o for o in json.loads(path.read_text())["observations"] if o["type"] == "GENERATION"]
    calls.sort(key=lambda call: call["endTime"])
    outputs = [told.get(call["id"], {}).get("output", {}).get("data") or [] for call in calls]
    said = [text for output in outputs for _, text in words(output)[-1:] if text]
    (trace, *_) = read(path)
    if said:
        assert trace.output.strip() == said[-1].strip()
    assert said or not trace.output.startswith("{")
    assert trace.input[:1] not in ("", "{", "[")


@pytest.mark.parametrize("path", LANGFUSE, ids=lambda path: path.name)
def test_a_langfuse_trace_keeps_all_it_has(path: Path) -> None:
    """Every observation is a step or the trace; tokens, cost and scores are those of the export."""
    told = json.loads(path.read_text())
    observations, scores = told["observations"], told["trace"].get("scores", [])
    (trace, *labels) = read(path)
    assert isinstance(trace, Trace)
    assert trace.source_format == "langfuse"
    assert trace.trace_id == told["trace"]["id"]
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
    if seconds := told["trace"].get("latency"):
        assert trace.latency_ms == pytest.approx(seconds * 1000, abs=1)
    generations = [item for item in observations if item["type"] == "GENERATION"]
    if len(generations) == 1:
        (one,) = generations
        assert trace.tokens_in == one["inputUsage"]
        assert trace.cost_usd == pytest.approx(one["totalCost"])


@pytest.mark.parametrize("path", LANGSMITH, ids=lambda path: path.name)
def test_posts_and_patches_are_one_trace(path: Path) -> None:
    """The question from the post, the answer and the end from the patch."""
    told = json.loads(path.read_text())
    outputs = told["patch"][0]["outputs"]
    (trace,) = read(path)
    assert trace.source_format == "langsmith"
    assert trace.trace_id == told["post"][0]["trace_id"]
    assert trace.input == told["post"][0]["inputs"]["messages"][-1]["content"]
    assert trace.output == outputs["choices"][0]["message"]["content"]
    assert (trace.model_requested, trace.model) == (
        told["post"][0]["inputs"]["model"],
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


def test_what_is_none_of_these_is_not_taken_for_one() -> None:
    """Recorded calls of another SDK, and judge verdicts, are refused row by row."""
    for path in [*(SHARED / "langsmith").glob("*.jsonl"), *(SHARED / "ragas").glob("*.json")]:
        found = read(path)
        assert found
        assert {type(item).__name__ for item in found} == {"Refusal"}, path.name
