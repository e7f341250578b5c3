"""What only an agent's span, a total or an unknown part has: instructions, tokens, reasoning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.ingest.fragments import merge_fragments
from evals.records import Trace
from evals.traces.messages.parts import read_parts
from tests.evals.traces.test_spans import envelope, read, span

INSTRUCTIONS = json.dumps([{"type": "text", "content": "Be brief."}])
ASKED = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Where?"}]}])
ANSWER: list[dict[str, Any]] = [
    {"role": "assistant", "parts": [{"type": "text", "content": "There."}]}
]


def agent(number: int, parent: int = 0, **more: Any) -> dict[str, Any]:
    """An agent's span."""
    made = span(number, parent, **more)
    made["attributes"] = [
        attribute for attribute in made["attributes"] if attribute["key"] != "gen_ai.operation.name"
    ]
    made["attributes"].append(
        {"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}}
    )
    return made


def call(number: int, parent: int, **more: Any) -> dict[str, Any]:
    """A model's call with its messages, and without instructions."""
    messages = {"gen_ai__input__messages": ASKED, "gen_ai__output__messages": json.dumps(ANSWER)}
    return span(number, parent, **messages, **more)


def read_one(folder: Path, *spans: dict[str, Any]) -> Trace:
    """Reads the only trace of some spans."""
    (trace,) = read(folder, envelope(*spans))
    assert isinstance(trace, Trace)
    return trace


def test_an_agent_s_instructions_are_the_system_message_of_its_calls(tmp_path: Path) -> None:
    """So that a changed prompt is a version; a chain between them changes nothing."""
    spans = agent(1, gen_ai__system_instructions=INSTRUCTIONS), agent(2, 1), call(3, 1)
    trace = read_one(tmp_path, *spans)
    assert trace.messages == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where?"},
    )
    assert trace.prompt_version is not None
    other = json.dumps([{"type": "text", "content": "Be kind."}])
    changed = read_one(tmp_path, agent(1, gen_ai__system_instructions=other), call(3, 1))
    assert changed.prompt_version not in (None, trace.prompt_version)


def test_an_inner_agent_without_instructions_inherits_none(tmp_path: Path) -> None:
    """Nor is a call's own system message replaced."""
    outer = agent(1, gen_ai__system_instructions=INSTRUCTIONS)
    trace = read_one(tmp_path, outer, agent(2, 1), call(3, 2))
    assert trace.messages == ({"role": "user", "content": "Where?"},)
    own = json.dumps([{"type": "text", "content": "Mine."}])
    trace = read_one(tmp_path, outer, call(3, 1, gen_ai__system_instructions=own))
    assert trace.messages[0] == {"role": "system", "content": "Mine."}


def test_an_agent_s_chat_is_the_trace_s_where_its_calls_record_none(tmp_path: Path) -> None:
    """Content may be recorded on the agent's span alone."""
    root = agent(
        1,
        gen_ai__system_instructions=INSTRUCTIONS,
        gen_ai__input__messages=ASKED,
        gen_ai__output__messages=json.dumps(ANSWER),
    )
    trace = read_one(tmp_path, root, span(2, 1, gen_ai__request__model="gpt-5"))
    assert (trace.input, trace.output) == ("Where?", "There.")
    assert [message["role"] for message in trace.messages] == ["system", "user"]  # type: ignore[index]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text_reasoning", "text": "Hm."},
        {"type": "TextReasoningContent", "text": "Hm.", "protected_data": "b64"},
        {"$type": "reasoning", "text": "Hm."},
        {"type": "thought_summary", "content": {"text": "Hm."}},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
        {"type": "thinking_delta", "thinking": "Hm."},
    ],
    ids=str,
)
def test_reasoning_of_any_name_is_no_part_of_the_answer(part: dict[str, Any]) -> None:
    """Its text is the reasoning."""
    parts = read_parts([part, {"type": "text", "text": "There."}])
    assert (parts.texts, parts.reasoning) == (["There."], ["Hm."])


@pytest.mark.parametrize(
    "part",
    [
        {"type": "TextReasoningContent", "protected_data": "b64"},
        {"type": "reasoning", "encrypted_content": "b64", "summary": []},
        {"reasoningContent": {"redactedContent": "b64"}},
    ],
    ids=str,
)
def test_reasoning_that_is_encrypted_is_left_out(part: dict[str, Any]) -> None:
    """It is neither the answer nor a text."""
    parts = read_parts([part, {"type": "text", "text": "There."}])
    assert (parts.texts, parts.reasoning) == (["There."], [])


def test_a_part_of_unknown_type_that_is_no_reasoning_is_kept(tmp_path: Path) -> None:
    """As JSON; a reason, a rethink or a thoughtful key is none."""
    part = {"type": "chart", "reason": "asked", "series": [1]}
    assert read_parts([part]).texts == ['{"reason":"asked","series":[1],"type":"chart"}']


def test_tokens_of_a_total_that_no_count_holds_are_kept(tmp_path: Path) -> None:
    """On their step, and summed in the metadata; a total that is explained adds nothing."""
    usage = {"gen_ai__usage__input_tokens": 10, "gen_ai__usage__output_tokens": 5}
    spans = (
        agent(1, gen_ai__usage__total_tokens=130),
        call(2, 1, **usage, gen_ai__usage__total_tokens=115),
        call(3, 1, **usage, gen_ai__usage__total_tokens=15),
    )
    trace = read_one(tmp_path, *spans)
    assert (trace.tokens_in, trace.tokens_out, trace.metadata["tokens_other"]) == (20, 10, 100)
    assert [step.get("tokens_other") for step in trace.steps] == [100, None]  # type: ignore[union-attr]
    alone = read_one(tmp_path, call(2, 0, gen_ai__usage__total_tokens=50))
    assert (alone.tokens_in, alone.metadata["tokens_other"]) == (None, 50)
    plain = read_one(tmp_path, call(2, 0, **usage, gen_ai__usage__total_tokens=15))
    assert "tokens_other" not in plain.metadata
    parts = [read_one(tmp_path, spans[0], spans[1]), read_one(tmp_path, spans[2])]
    assert merge_fragments(parts).metadata["tokens_other"] == 100
