"""Promises of what is joined: blocks as they came, streams by choice and call, orphans in time."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.records import Trace
from evals.traces import reader
from evals.traces.formats import openai_logs
from evals.traces.messages import calls, chat, exchanges
from evals.traces.messages.parts import Object
from evals.traces.spans.facts import read_facts
from evals.traces.spans.spans import Event, Span
from tests.evals.traces.span_exports import format_nanoseconds, write_envelope
from tests.evals.traces.test_hostile_products import GOOD

ANSWER_TEXT = "The capital of France is Paris."
PIECES = ("The capital of France is ", "Paris", ".")
TEXTS = [{"type": "text", "text": piece} for piece in PIECES]
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
USE = {"type": "tool_use", "id": "t", "name": "find", "input": {}}
MESSAGES: dict[str, Any] = {
    "anthropic": {"role": "assistant", "content": TEXTS},
    "langchain": {"type": "ai", "content": [PIECES[0], TEXTS[1], TEXTS[2]]},
    "langchain, dumped": {
        "lc": 1, "type": "constructor", "id": ["langchain", "AIMessage"],
        "kwargs": {"content": TEXTS},
    },
    "responses": {
        "type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": p, "annotations": []} for p in PIECES],
    },
    "gemini": {"role": "model", "parts": [{"text": piece} for piece in PIECES]},
    "gen_ai": {"role": "assistant", "parts": [{"type": "text", "content": p} for p in PIECES]},
    "with reasoning first": {
        "role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, *TEXTS],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_the_texts_of_one_message_are_joined_as_they_came(name: str) -> None:
    """No line break comes between two blocks of text, in whatever form they are written."""
    (message,) = chat.read_messages([MESSAGES[name]])
    assert message["content"] == ANSWER_TEXT


def test_what_is_no_text_stays_apart_from_it() -> None:
    """An image or a tool's call between two texts is a line's end; instructions stay in lines."""
    asked: Any = {"role": "user", "content": [TEXTS[1], IMAGE, TEXTS[1]]}
    called: Any = {"role": "assistant", "content": [TEXTS[1], USE, TEXTS[1], TEXTS[2]]}
    instructed: Any = {"role": "system", "content": TEXTS[1:]}
    contents = [message["content"] for message in chat.read_messages([asked, called, instructed])]
    image = "[image https://example.com/a.png]"
    assert contents == [f"Paris\n{image}\nParis", "Paris\nParis.", "Paris\n."]


def chunk(**choice: Any) -> Object:
    """Makes a chunk of a chat completion with one choice."""
    return {"object": "chat.completion.chunk", "choices": [choice]}


def call_chunk(*tool_calls: Any) -> Object:
    """Makes a chunk of tool calls."""
    return chunk(index=0, delta={"tool_calls": [*tool_calls]})


def event(kind: str, **more: Any) -> Object:
    """Makes an event of the Responses API about its only item."""
    return {"type": f"response.{kind}", "output_index": 0, "content_index": 0, **more}


def function(name: str | None, arguments: str, **more: Any) -> Any:
    """Makes the delta of a tool call."""
    return {**more, "function": {"name": name, "arguments": arguments}}


BEGUN = {"type": "response.created", "response": {"status": "in_progress", "output": []}}
STREAMS: dict[str, tuple[list[Any], str, str | None]] = {
    "two choices": (
        [
            chunk(index=index, delta={"content": text})
            for index, text in ((0, "Yes"), (1, "No"), (0, ", sir"), (1, " way"))
        ],
        "Yes, sir", None,
    ),
    "two choices without index": (
        [
            {"choices": [{"delta": {"content": "Yes"}}, {"delta": {"content": "No"}}]},
            {"choices": [{"delta": {"content": ", sir"}}, {"delta": {"content": " way"}}]},
        ],
        "Yes, sir", None,
    ),
    "two candidates": (
        [
            {"candidates": [{"content": {"parts": [{"text": text}]}} for text in texts]}
            for texts in (("Yes", "No"), (", sir", " way"))
        ],
        "Yes, sir", None,
    ),
    "texts": ([chunk(index=0, text="Yes"), chunk(index=0, text=", sir")], "Yes, sir", None),
    "refusal": (
        [chunk(index=0, delta={"refusal": text}) for text in ("I can", "not.")], "I cannot.", None,
    ),
    "responses, cut off": (
        [BEGUN, *(event("output_text.delta", delta=text) for text in ("The", " end"))],
        "The end", "stream_cut_off",
    ),
    "responses, refusal": (
        [BEGUN, *(event("refusal.delta", delta=text) for text in ("I can", "not."))],
        "I cannot.", "stream_cut_off",
    ),
    "ollama": (
        [
            {"message": {"role": "assistant", "content": "The"}, "done": False},
            {"message": {"content": " end"}, "done": True, "done_reason": "stop"},
        ],
        "The end", "stop",
    ),
    "cohere": (
        [
            {"type": "content-delta", "delta": {"message": {"content": {"text": text}}}}
            for text in ("The", " end")
        ],
        "The end", None,
    ),
    "anthropic without index": (
        [
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "The"}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": " end"}},
        ],
        "The end", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_joined_to_its_first_answer(name: str) -> None:
    """As a list of chunks, as a list of their texts, and as the text of the events."""
    chunks, answer, reason = STREAMS[name]
    sse = "".join(f"event: x\r\ndata: {json.dumps(each)}\r\n\r\n" for each in chunks)
    for logged in (chunks, [*map(json.dumps, chunks)], sse):
        fields = calls.describe_call({}, calls.decode_body(logged))
        assert (fields["output"], fields.get("finish_reason")) == (answer, reason)


CALL_STREAMS: dict[str, list[Any]] = {
    "without index": [
        call_chunk(function("f", "", id="a")), call_chunk(function(None, '{"x":')),
        call_chunk(function(None, "1}")), call_chunk(function("g", '{"y":2}', id="b")),
    ],
    "in one chunk": [
        call_chunk(function("f", '{"x":1}', id="a"), function("g", '{"y":2}', id="b")),
    ],
    "of one index": [
        call_chunk(function("f", '{"x":1}', id="a", index=0)),
        call_chunk(function("g", '{"y":2}', id="b", index=0)),
    ],
    "of their own index": [
        call_chunk(function("f", '{"x":', id="a", index=0), function("g", "", id="b", index=1)),
        call_chunk(function(None, '{"y":2}', index=1), function(None, "1}", index=0)),
    ],
    "with an id in each chunk": [
        call_chunk(function("f", '{"x":', id="a", index=0)),
        call_chunk(function("f", "1}", id="a", index=0)),
        call_chunk(function("g", '{"y":2}', id="b", index=1)),
    ],
    "of Anthropic": [
        {"type": "content_block_start", "content_block": {**USE, "id": "a", "name": "f"}},
        {"type": "content_block_delta", "delta": {"partial_json": '{"x":1}'}},
        {"type": "content_block_start", "content_block": {**USE, "id": "b", "name": "g"}},
        {"type": "content_block_delta", "delta": {"partial_json": '{"y":2}'}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CALL_STREAMS)
def test_parallel_tool_calls_stay_apart(name: str) -> None:
    """Each has its own id, name and arguments, however the stream marks where one begins."""
    fields = calls.describe_call({}, calls.decode_body(CALL_STREAMS[name]))
    steps: Any = fields["steps"]
    made = [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in steps[0]["tool_calls"]]  # fmt: skip
    assert made == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_a_separator_within_an_event_ends_no_line() -> None:
    """U+2028 and others, which JSON may hold as they are, stay within their event."""
    text = 'data: {"choices": [{"index": 0, "delta": {"content": "a\u2028b\x85c"}}]}\n\n'
    assert calls.describe_call({}, calls.decode_body(text))["output"] == "a\u2028b\x85c"


def test_the_text_of_a_completion_is_the_answer() -> None:
    """A choice without a message has the text itself; the first of two counts."""
    body: Object = {"choices": [{"text": "Paris"}, {"text": "Rome"}]}
    fields = calls.describe_call({"prompt": "Where?"}, body)
    assert fields["output"] == "Paris"
    assert fields["metadata"] == {"choices": [{"text": "Rome"}]}


COUNTS: Object = {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 5}
SNAKE_COUNTS: Object = {
    "prompt_token_count": 7, "candidates_token_count": 2, "thoughts_token_count": 5,
}  # fmt: skip


def test_reasoning_counts_among_gemini_s_tokens() -> None:
    """Also where the model wrote nothing else, and through every way that reads a response."""
    candidates = [{"content": {"role": "model", "parts": [{"text": "Paris"}]}}]
    for key, value in (("usageMetadata", COUNTS), ("usage_metadata", SNAKE_COUNTS)):
        body: Any = {"candidates": candidates, key: value}
        for fields in (calls.describe_call({}, body), calls.exchanges.describe_response(body)):
            assert (fields["tokens_in"], fields["tokens_out"]) == (7, 7)
    fields = calls.describe_call({}, {"usageMetadata": {"thoughtsTokenCount": 5}})
    assert fields["tokens_out"] == 5


def read_spans(tmp_path: Path, spans: list[Any], times: list[tuple[int, int]]) -> Trace:
    """Reads the trace of some spans, each from one second to another."""
    rows = json.loads(write_envelope(GOOD, {"service.name": "shop"}, spans))
    listed = rows["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for span, (start, end) in zip(listed, times, strict=True):
        span["startTimeUnixNano"] = format_nanoseconds(GOOD.start + timedelta(seconds=start))
        span["endTimeUnixNano"] = format_nanoseconds(GOOD.start + timedelta(seconds=end))
    path = tmp_path / "spans.jsonl"
    path.write_text(json.dumps(rows), "utf-8")
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    return trace


def test_of_two_orphans_the_one_that_ends_last_is_the_answer(tmp_path: Path) -> None:
    """The latency is the trace's, from the first start to the last end."""
    spans = [
        (9, "ask", {"openinference.span.kind": "CHAIN", "input.value": "q", "output.value": "x"}),
        (8, "end", {"openinference.span.kind": "CHAIN", "input.value": "r", "output.value": "y"}),
        (8, "late", {"openinference.span.kind": "TOOL", "output.value": "z"}),
    ]
    trace = read_spans(tmp_path, spans, [(0, 2), (1, 6), (3, 4)])
    assert (trace.output, trace.input, trace.latency_ms) == ("y", "q", 6000.0)
    assert trace.metadata["root"] == "missing"


@pytest.mark.parametrize("form", ["gen_ai", "indexed", "openinference"])
def test_of_two_choices_in_a_span_the_first_is_the_answer(tmp_path: Path, form: str) -> None:
    """The other one stays in the metadata."""
    texts = ("Yes.", "No.")
    parts = [[{"type": "text", "content": text}] for text in texts]
    answers = [{"role": "assistant", "parts": each, "finish_reason": "stop"} for each in parts]
    indexed: dict[str, Any] = {"gen_ai.operation.name": "chat"}
    listed = {**indexed, "gen_ai.output.messages": json.dumps(answers)}
    flat: dict[str, Any] = {
        "openinference.span.kind": "LLM",
        "llm.invocation_parameters": '{"n": 2}',
    }
    for n, text in enumerate(texts):
        indexed |= {f"gen_ai.completion.{n}.role": "assistant"}
        indexed |= {f"gen_ai.completion.{n}.content": text}
        indexed |= {f"gen_ai.completion.{n}.finish_reason": "stop"}
        flat |= {f"llm.output_messages.{n}.message.role": "assistant"}
        flat |= {f"llm.output_messages.{n}.message.content": text}
    attributes = {"gen_ai": listed, "indexed": indexed, "openinference": flat}[form]
    trace = read_spans(tmp_path, [(0, "chat", attributes)], [(0, 1)])
    assert trace.output == "Yes."
    assert "No." in json.dumps(trace.metadata["choices"])


def write_message(text: str) -> Object:
    """Returns an answer as OpenTelemetry's conventions have it, without a reason to end."""
    return {"role": "assistant", "parts": [{"type": "text", "content": text}]}


def test_two_messages_of_a_model_without_a_reason_are_two_choices(tmp_path: Path) -> None:
    """By the conventions each is one; turns of an agent, with calls of tools, are joined."""
    chat_span: dict[str, Any] = {"gen_ai.operation.name": "chat"}
    both = [write_message("Yes."), write_message("No.")]
    spans = [(0, "chat", {**chat_span, "gen_ai.output.messages": json.dumps(both)})]
    assert read_spans(tmp_path, spans, [(0, 1)]).output == "Yes."
    call = {"type": "tool_call", "id": "1", "name": "find", "arguments": {}}
    turns = [{"role": "assistant", "parts": [call]}, write_message("No.")]
    spans = [(0, "chat", {**chat_span, "gen_ai.output.messages": json.dumps(turns)})]
    assert read_spans(tmp_path, spans, [(0, 1)]).output == "No."


ENDED = ((1, "No."), (0, "Yes."))
INDEXED: dict[str, list[Any]] = {
    "chat": [
        {"index": n, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for n, text in ENDED
    ],
    "completion": [{"index": n, "finish_reason": "stop", "text": text} for n, text in ENDED],
    "gemini": [
        {"index": n, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": t}]}}
        for n, t in ENDED
    ],
}


@pytest.mark.parametrize("form", INDEXED)
def test_the_choice_of_index_0_is_the_answer_wherever_it_is_listed(form: str) -> None:
    """Some servers list choices in the order in which they ended."""
    key = "candidates" if form == "gemini" else "choices"
    body: Object = {key: INDEXED[form], "model": "m"}
    assert calls.describe_call({}, body)["output"] == "Yes."
    assert chat.as_json(exchanges.read_messages(body))[0]["content"] == "Yes."


INDEXED_SPANS: dict[str, dict[str, Any]] = {
    "flat": {
        f"llm.choices.{n}.completion.{key}": value
        for n, (index, text) in enumerate(ENDED)
        for key, value in (("index", index), ("text", text))
    },
    "index beside the text": {
        f"llm.choices.{n}.{key}": value
        for n, (index, text) in enumerate(ENDED)
        for key, value in (("index", index), ("completion.text", text))
    },
    "json": {
        "llm.choices": json.dumps([{"completion": {"index": n, "text": t}} for n, t in ENDED])
    },
    "messages": {
        "gen_ai.output.messages": json.dumps(
            [{"index": n, "role": "assistant", "content": text} for n, text in ENDED]
        )
    },
}


@pytest.mark.parametrize("form", INDEXED_SPANS)
def test_the_choice_of_index_0_is_the_answer_of_a_span(tmp_path: Path, form: str) -> None:
    """The choices of a span are no turns of a chat; the other one stays in the metadata."""
    attributes = {"openinference.span.kind": "LLM", "input.value": "q", **INDEXED_SPANS[form]}
    trace = read_spans(tmp_path, [(0, "chat", attributes)], [(0, 1)])
    assert trace.output == "Yes."
    assert "No." in json.dumps(trace.metadata["choices"])


@pytest.mark.parametrize("more", [{}, {"finish_reason": "stop"}])
def test_of_two_events_of_choices_the_one_of_index_0_is_the_answer(more: Object) -> None:
    """Events come in the order in which the choices ended."""
    events = [
        Event("gen_ai.choice", {}, {"index": n, "message": {"content": text}, **more})
        for n, text in ENDED
    ]
    facts = read_facts(Span("t", "s", "", "chat", 0, 1, {"gen_ai.operation.name": "chat"}, events))
    assert [message["content"] for message in facts.output_messages] == ["Yes."]
    assert "No." in json.dumps(facts.unknown["choices"])


@pytest.mark.parametrize("prefix", ["gen_ai.usage.", "llm.usage.", "llm.token_count."])
@pytest.mark.parametrize("names", [COUNTS, SNAKE_COUNTS], ids=["camel", "snake"])
def test_gemini_s_names_of_counts_are_tokens_of_a_span(prefix: str, names: Object) -> None:
    """Reasoning is part of the answer's, as in responses."""
    counts = {f"{prefix}{name}": count for name, count in names.items()}
    facts = read_facts(Span("t", "s", "", "chat", 0, 1, {"gen_ai.request.model": "g", **counts}))
    assert (facts.tokens_in, facts.tokens_out, facts.tokens_other) == (7, 7, 0)
    assert not facts.unknown


@pytest.mark.parametrize("key", ["usage", "usageMetadata", "usage_metadata"])
@pytest.mark.parametrize("names", [COUNTS, SNAKE_COUNTS], ids=["camel", "snake"])
def test_gemini_s_names_of_counts_are_tokens_of_a_logged_call(key: str, names: Object) -> None:
    """A proxy may answer as OpenAI does, and count as Gemini does."""
    body: Object = {"choices": [{"message": {"role": "assistant", "content": "Yes."}}], key: names}
    fields = openai_logs.convert_row({"request": {"model": "g"}, "response": body}, lambda _: {})
    assert (fields["tokens_in"], fields["tokens_out"]) == (7, 7)


def test_a_gemini_response_as_a_span_s_output_is_unwrapped() -> None:
    """Its first candidate's words are the answer, not the response's JSON."""
    response = json.dumps({"candidates": INDEXED["gemini"], "usageMetadata": COUNTS})
    attributes: Object = {"openinference.span.kind": "LLM", "output.value": response}
    facts = read_facts(Span("t", "s", "", "chat", 0, 1, attributes))
    assert [message["content"] for message in facts.output_messages] == ["Yes."]
