"""Spans become traces, in whatever order, id format or state they arrive.

Every test expects one trace or one refusal for each trace id, and one refusal for an invalid row.
"""

from __future__ import annotations

import base64
import json
import random
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.records import Refusal, Trace
from evals.specs import Mapping
from evals.traces import reader
from evals.traces.messages.chat import read_messages
from evals.traces.messages.parts import read_parts
from evals.traces.spans.spans import MEMORY_LIMIT, Span, SpanStore, SpanTree, join_spans

TRACE = "5b8efff798038103d269b633813fc60c"
START = 1_790_856_000_000_000_000


def attributes(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP lists them; texts and numbers only."""
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return [{"key": key, "value": {kinds[type(v)]: v}} for key, v in given.items()]


def span(number: int, parent: int = 0, trace: str = TRACE, **more: Any) -> dict[str, Any]:
    """A chat span of OTLP, with more attributes."""
    given = {"gen_ai.operation.name": "chat", **{k.replace("__", "."): v for k, v in more.items()}}
    return {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": f"span {number}",
        "startTimeUnixNano": str(START + number * 10**6),
        "endTimeUnixNano": str(START + number * 10**6 + 10**9),
        "attributes": attributes(given),
    }


def envelope(*spans: Any, service: str | None = "shop") -> dict[str, Any]:
    """An envelope of spans of one service."""
    resource = attributes({"service.name": service}) if service else []
    return {
        "resourceSpans": [
            {"resource": {"attributes": resource}, "scopeSpans": [{"spans": list(spans)}]}
        ]
    }


def read(folder: Path, *rows: Any, name: str = "spans.jsonl", **options: Any) -> list[Any]:
    """Everything that a file of some rows yields; bytes are written as they are."""
    path = folder / name
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return list(reader.read_file(path, **{"mappings": {}, **options}))


def test_spans_of_many_lines_are_one_trace(tmp_path: Path) -> None:
    """Spans of many lines in any order are one trace; a span exported twice counts once."""
    rows = [
        envelope(span(n, 1 if n > 1 else 0, gen_ai__usage__input_tokens=n)) for n in range(1, 6)
    ]
    (first,) = read(tmp_path, *rows)
    (again,) = read(tmp_path, *random.Random(3).sample(rows, 5), rows[2])
    assert [step["span_id"][-1] for step in first.steps] == ["1", "2", "3", "4", "5"]
    assert first.steps == again.steps
    assert first.tokens_in == again.tokens_in == 2 + 3 + 4 + 5


def test_a_parent_that_repeats_its_children_s_usage_is_not_counted(tmp_path: Path) -> None:
    """Tokens and cost are sums over the innermost spans that have them, at any depth."""
    usage = {"gen_ai__usage__output_tokens": 7, "gen_ai__usage__cost": 0.5}
    chain = [span(1, **usage), span(2, 1), span(3, 2, **usage), span(4, 1, **usage)]
    (trace,) = read(tmp_path, envelope(*chain))
    assert (trace.tokens_out, trace.cost_usd, trace.tokens_in) == (14, 1.0, None)


@pytest.mark.parametrize("form", ["hex", "HEX", "base64"])
def test_ids_in_hex_and_base64_are_equal(tmp_path: Path, form: str) -> None:
    """A trace that two writers export with different id formats is one trace."""
    exported = span(1)
    encode = {
        "hex": str,
        "HEX": str.upper,
        "base64": lambda text: base64.b64encode(bytes.fromhex(text)).decode(),
    }[form]
    (trace,) = read(
        tmp_path, envelope({k: encode(v) if k.endswith("Id") else v for k, v in exported.items()})
    )
    assert trace.trace_id == TRACE
    assert trace.steps[0]["span_id"] == "0000000000000001"


def test_a_file_larger_than_memory_allows_goes_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans beyond the memory limit go to disk: the traces are the same, no file remains."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    rows = [envelope(span(n, trace=f"{n % 40 + 1:032x}", user__id="ü")) for n in range(1, 200)]
    in_memory = {trace.trace_id: trace for trace in read(tmp_path, *rows)}
    defaults = SpanStore.__init__.__defaults__
    monkeypatch.setattr(SpanStore.__init__, "__defaults__", (1000,))
    spilled = {trace.trace_id: trace for trace in read(tmp_path, *rows)}
    assert defaults == (MEMORY_LIMIT,)
    assert len(in_memory) == 40
    assert spilled == in_memory
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_application_may_be_a_mapping_s_constant(tmp_path: Path) -> None:
    """A trace without a service is refused with the remedy, and can be replayed with a mapping."""
    (refused,) = read(tmp_path, envelope(span(1), service=None))
    assert (refused.code, refused.trace_id) == ("no-app", TRACE)
    assert "OTEL_SERVICE_NAME" in refused.reason
    named = {"it": Mapping(constants={"app": "named"})}
    (trace,) = read(tmp_path, envelope(span(1), service=None), mappings=named)
    (replayed,) = read(tmp_path, refused.raw, mappings=named)
    assert trace.app == replayed.app == "named"
    assert trace.steps == replayed.steps


def test_traces_without_a_model_count_for_no_application(tmp_path: Path) -> None:
    """A health check is refused without an application, so no application's share grows."""
    plain = {**span(1), "attributes": attributes({"http.route": "/health"})}
    (refused,) = read(tmp_path, envelope(plain), assume_date=date(2026, 10, 1))
    assert (refused.code, refused.app) == ("no-llm-span", None)


def test_a_missing_parent_and_a_cycle_leave_a_root() -> None:
    """Every span has a depth and finitely many ancestors."""

    def tree(*pairs: tuple[str, str]) -> SpanTree:
        return SpanTree(
            join_spans(Span("t", me, up, me, n + 1, n + 2, {}) for n, (me, up) in enumerate(pairs))
        )

    orphan = tree(("b", "gone"), ("c", "b"))
    assert (orphan.root, orphan.depths) == (0, [0, 1])
    cycle = tree(("a", "c"), ("b", "a"), ("c", "b"), ("d", "d"))
    assert sorted(cycle.depths) == [0, 0, 1, 2]
    assert cycle.find_ancestors(range(4)) <= {0, 1, 2, 3}
    late = tree(("child", "root"), ("root", ""))
    assert (late.root, late.depths) == (1, [1, 0])


def test_two_reports_of_a_span_are_merged() -> None:
    """The later report counts; values that only the earlier one has remain."""
    early = Span("t", "a", "", "", 5, None, {"x": 1, "y": 1}, error="late")
    late = Span("t", "a", "p", "n", None, 9, {"y": 2})
    (both,) = join_spans([early, late])
    assert (both.parent_id, both.name, both.start, both.end) == ("p", "n", 5, 9)
    assert (both.attributes, both.error) == ({"x": 1, "y": 2}, "late")


DEEP = '{"arrayValue":{"values":[' * 60 + '{"stringValue":"x"}' + "]}}" * 60
DEEPER = '{"arrayValue":{"values":[' * 320 + '{"stringValue":"x"}' + "]}}" * 320
MANY = attributes({f"k{n}": n for n in range(100_000)})
HUGE = {"key": "n", "value": {"intValue": "9" * 5000}}
ONE = json.dumps(envelope(span(1)))
CHAT = '{"stringValue": "chat"}'


def changed(**fields: Any) -> dict[str, Any]:
    """An envelope of one span with some fields replaced."""
    return envelope({**span(1), **fields})


HOSTILE: dict[str, tuple[Any, str]] = {
    "deep value": (ONE.replace(CHAT, DEEP), "refused"),
    "deeper value": (ONE.replace(CHAT, DEEPER), "refused"),
    "deep brackets": ("[" * 5000 + "]" * 5000, "refused"),
    "many attributes": (changed(attributes=[*span(1)["attributes"], *MANY]), "read"),
    "huge number": (changed(attributes=[*span(1)["attributes"], HUGE]), "read"),
    "huge time": (changed(startTimeUnixNano="9" * 30), "refused"),
    "far time": (changed(startTimeUnixNano="18000000000000000000"), "refused"),
    "nan": (ONE.replace('"chat"', "NaN"), "refused"),
    "infinity": (ONE.replace('"chat"', "1e999"), "refused"),
    "surrogate": (ONE.replace("chat", "\\ud800"), "refused"),
    "duplicate key": (ONE.replace('"name"', '"name":"x","name"', 1), "read"),
    "path as id": (changed(traceId="../../etc/passwd"), "read"),
    "long id": (changed(traceId="a" * 300), "refused"),
    "control in id": (changed(traceId="a\nb"), "refused"),
    "no spans": ({"resourceSpans": []}, "refused"),
    "not lists": ({"resourceSpans": [1], "resourceLogs": {}}, "refused"),
    "span is text": (envelope("x"), "refused"),
    "its own parent": (envelope(span(1, 1)), "read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_row_is_refused_or_harmless(tmp_path: Path, name: str) -> None:
    """A hostile row yields exactly one item, and the rows after it are read."""
    row, fate = HOSTILE[name]
    raw = row.encode() if isinstance(row, str) else json.dumps(row).encode()
    good = envelope(span(1, trace="1" * 32))
    first = envelope(span(1, trace="2" * 32))
    items = read(tmp_path, first, raw, good)
    assert len(items) == 3, items
    kinds = [type(item) for item in items]
    assert kinds.count(Trace) == {"read": 3, "refused": 2}[fate]
    for item in items:
        if isinstance(item, Trace):
            json.dumps([item.metadata, item.steps, item.messages], allow_nan=False)


def test_a_deep_tree_of_spans_takes_no_minutes(tmp_path: Path) -> None:
    """30,000 nested spans are read in about a second; their square would take minutes."""
    rows = [envelope(*(span(n, n - 1) for n in range(1, 30_001)))]
    began = time.process_time()
    (trace,) = read(tmp_path, *rows)
    assert len(trace.steps) == 30_000
    assert time.process_time() - began < 15


def test_pictures_and_files_are_placeholders() -> None:
    """Placeholders have type and size, whichever framework wrote them, and no bytes."""
    data = base64.b64encode(b"\x00" * 300).decode()
    parts = [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": data},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": data}},
        {"inlineData": {"mimeType": "audio/wav", "data": data}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}},
        {"type": "uri", "modality": "image", "uri": "https://example.com/x.png"},
        {"type": "file", "file_id": "f-1"},
    ]
    texts = read_parts(
        [{"type": "text", "text": f"see data:image/png;base64,{data}"}, *parts]
    ).texts
    assert texts == [
        "see [image image/png, 300 bytes]",
        "[image image/png, 300 bytes]",
        "[image image/jpeg, 300 bytes]",
        "[image image/gif, 300 bytes]",
        "[file audio/wav, 300 bytes]",
        "[audio mp3, 300 bytes]",
        "[image https://example.com/x.png]",
        "[file f-1]",
    ]


def test_a_hosted_tool_call_is_a_step_and_no_part_of_the_answer(
    tmp_path: Path,
) -> None:
    """A provider's own tool call, reasoning and compaction stay out of the answer."""
    parts = [
        {"type": "reasoning", "content": "Look it up."},
        {"type": "server_tool_call", "id": "s", "name": "web", "arguments": {"q": "parcel"}},
        {"type": "server_tool_call_response", "id": "s", "response": "in Bonn"},
        {"type": "text", "content": "In Bonn."},
    ]
    inputs = [{"type": "text", "content": "Where?"}, {"type": "compaction", "content": "Hello."}]
    (trace,) = read(
        tmp_path,
        envelope(
            span(
                1,
                **{
                    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": inputs}]),
                    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}]),
                },
            )
        ),
    )
    assert (trace.input, trace.output) == ("Where?", "In Bonn.")
    call, tool = trace.steps
    assert call["reasoning"] == "Look it up."
    assert [item["function"]["name"] for item in call["tool_calls"]] == ["web"]
    assert (tool["name"], tool["input"], tool["output"]) == ("web", {"q": "parcel"}, "in Bonn")


def test_tool_calls_that_an_event_holds_as_json_text_are_calls(tmp_path: Path) -> None:
    """Attributes of events cannot hold lists of objects, so they hold their JSON text."""
    calls = [{"id": "c", "type": "function", "function": {"name": "track", "arguments": "{}"}}]
    messages = {"user": {"content": "Where?"}, "assistant": {"tool_calls": json.dumps(calls)}}
    messages["tool"] = {"id": "c", "content": "in Bonn"}
    call = span(1)
    call["events"] = [
        {"name": f"gen_ai.{role}.message", "attributes": attributes(message)}
        for role, message in messages.items()
    ]
    (trace,) = read(tmp_path, envelope(call))
    assert trace.messages[1]["tool_calls"] == calls
    (tool,) = [step for step in trace.steps if step["kind"] == "tool"]
    assert (tool["name"], tool["output"]) == ("track", "in Bonn")


def test_versions_in_a_team_s_metadata_are_versions(tmp_path: Path) -> None:
    """Versions in metadata count, but for the prompt's; a version attribute takes precedence."""
    metadata = {"index_version": "7", "retriever.version": 2, "prompt_version": "3", "note": "x"}
    more = {"metadata": json.dumps(metadata), "index.version": "8"}
    (trace,) = read(tmp_path, envelope(span(1, **more)))
    assert trace.versions == {"index": "8", "retriever": "2"}
    assert trace.metadata["note"] == "x"


words = st.text(st.characters(codec="utf-8"), max_size=40)
turns = st.lists(
    st.tuples(st.sampled_from(["user", "assistant", "system"]), words), min_size=1, max_size=5
)


@settings(max_examples=150)
@given(turns=turns)
def test_a_chat_round_trips_through_every_shape(turns: list[tuple[str, str]]) -> None:
    """One chat in the shapes of OpenAI, OTel, Anthropic, Gemini and LangChain reads the same."""
    plain = [{"role": role, "content": text} for role, text in turns]
    messages = read_messages(plain)
    assert [message["role"] for message in messages] == [role for role, _ in turns]

    def parts(key: str) -> list[dict[str, Any]]:
        return [{"role": r, "parts": [{"type": "text", key: t}]} for r, t in turns]

    blocks = [{"role": r, "content": [{"type": "text", "text": t}]} for r, t in turns]
    gemini = [{"role": r, "parts": [{"text": t}]} for r, t in turns]
    types = {"user": "human", "assistant": "ai", "system": "system"}
    chain = [{"type": types[r], "content": [{"type": "text", "text": t}]} for r, t in turns]
    shapes = [parts("content"), parts("text"), blocks, gemini, chain]
    wanted = [(role, text) for role, text in turns]
    for shape in (*shapes, *(json.dumps(shape) for shape in shapes)):
        assert [(m["role"], m["content"]) for m in read_messages(shape)] == wanted


@settings(max_examples=100)
@given(
    question=words.filter(lambda text: text.strip() and text[0] not in '[{"'),
    answer=words.filter(lambda text: text.strip() and text[0] not in '[{"'),
    tokens=st.integers(0, 2**62),
    session=words.filter(lambda text: text.strip()),
)
def test_a_span_round_trips_in_every_generation(
    question: str, answer: str, tokens: int, session: str
) -> None:
    """GenAI's generations and OpenInference yield the same trace of the same call."""
    inputs = [{"role": "user", "content": question}]
    outputs = [{"role": "assistant", "content": answer}]
    generations: list[dict[str, Any]] = [
        {
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": question,
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": answer,
            "gen_ai.usage.prompt_tokens": tokens,
            "traceloop.association.properties.session_id": session,
        },
        {
            "gen_ai.input.messages": json.dumps(inputs),
            "gen_ai.output.messages": json.dumps(outputs),
            "gen_ai.usage.input_tokens": tokens,
            "gen_ai.conversation.id": session,
        },
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": question,
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": answer,
            "llm.token_count.prompt": tokens,
            "session.id": session,
        },
    ]
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            envelope({**span(1, trace=f"{n:032x}"), "attributes": attributes(given)})
            for n, given in enumerate(generations, 1)
        ]
        items = read(Path(folder), *rows)
    assert [type(item) for item in items] == [Trace] * 3, items
    facts = {(t.input, t.output, t.tokens_in, t.session_id) for t in items}
    assert facts == {(question, answer, tokens, session)}
    assert not any(isinstance(item, Refusal) for item in items)
