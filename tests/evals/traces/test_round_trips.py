"""What one exchange says is read back, whichever product wrote it down."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.records import Refusal, Trace
from evals.traces import reader
from tests.evals.traces.products import PRODUCTS, Exchange, ToolCall

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip()) and text.strip()[0] != '"'
)
"""A text between quotes may be one that was written as JSON, and is read as such."""
TEXTS = WORDS | st.sampled_from(
    ["[1, 2]", '{"a": 1}', "null", "a\nb", "tab\there", "<b>", "{", "1e5", "true"]
)
SAID = TEXTS | st.sampled_from(
    [
        '{"price": 1.50,  "title": "A"}',
        '{"answer": "In Bonn."}',
        '{\n  "output": 1\n}',
        '"quoted"',
        '[{"role": "assistant", "content": "deep"}]',
        '{"messages": [{"role": "user", "content": "x"}]}',
    ]
)
"""What users ask and applications answer may be JSON, and even look like a wrapper around words."""
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,15}", fullmatch=True)
ARGUMENTS = st.dictionaries(NAMES, TEXTS | st.integers(-9, 9) | st.booleans(), max_size=3)
TOOLS = st.builds(ToolCall, NAMES.map("call_{}".format), NAMES, ARGUMENTS, TEXTS)
EXCHANGES = st.builds(
    Exchange,
    trace_id=st.integers(1, 2**128 - 1).map("{:032x}".format),
    app=st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True),
    session=NAMES,
    user=NAMES,
    system=TEXTS,
    question=SAID,
    answer=SAID,
    tool=st.none() | TOOLS,
    asked=NAMES.map("gpt-{}".format),
    answered=NAMES.map("gpt-{}-2026-01-01".format),
    tokens_in=st.integers(1, 10**6),
    tokens_out=st.integers(1, 10**6),
    cost=st.integers(1, 10**6).map(lambda n: n / 10**6),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(
        lambda moment: moment.replace(tzinfo=UTC)
    ),
    took_ms=st.integers(1, 10**6),
    tags=st.lists(NAMES, max_size=3, unique=True).map(tuple),
)


def expected(said: Exchange) -> dict[str, Any]:
    """What a trace should say of it."""
    return {
        "trace_id": said.trace_id,
        "ts": said.start,
        "app": said.app,
        "session_id": said.session,
        "user_id": said.user,
        "input": said.question,
        "output": said.answer,
        "model_requested": said.asked,
        "model": said.answered,
        "tokens_in": said.tokens_in,
        "tokens_out": said.tokens_out,
        "cost_usd": said.cost,
        "latency_ms": said.took_ms,
        "tags": said.tags,
        "messages": [told(message) for message in said.chat()],
        "step": (said.tool.name, said.tool.arguments, back(said.tool.result))
        if said.tool
        else None,
    }


def told(message: dict[str, Any]) -> tuple[Any, ...]:
    """A message's role, words, calls and the call it answers."""
    calls = [
        (call["id"], call["function"]["name"], decoded(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    return message["role"], message.get("content") or "", calls, message.get("tool_call_id")


def back(result: Any) -> Any:
    """What a tool gave back: JSON as the value it is, out of LangSmith's wrapper."""
    if isinstance(result, dict) and set(result) == {"output"}:
        result = result["output"]
    return result if not isinstance(result, str) or result[:1] not in "[{" else parsed(result)


def parsed(text: str) -> Any:
    """The value of a JSON text; any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def decoded(arguments: Any) -> Any:
    """Arguments as the object they are."""
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def found(trace: Trace) -> dict[str, Any]:
    """The same of what was imported."""
    step = next((step for step in trace.steps if step["kind"] == "tool"), None)
    fields = ("ts", "app", "session_id", "user_id", "input", "output", "model_requested", "model",
              "tokens_in", "tokens_out", "cost_usd", "latency_ms", "tags")  # fmt: skip
    return {
        "trace_id": trace.trace_id.replace("-", ""),
        **{name: getattr(trace, name) for name in fields},
        "messages": [told(message) for message in trace.messages],
        "step": (step["name"], decoded(step.get("input") or {}), back(step.get("output")))
        if step
        else None,
    }


@pytest.mark.parametrize("name", PRODUCTS)
@settings(max_examples=60, deadline=None)
@given(said=EXCHANGES)
def test_what_a_product_writes_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, said: Exchange
) -> None:
    """Ids, times, words, calls, tokens, cost, each as it was said; one trace, nothing refused."""
    product = PRODUCTS[name]
    path = tmp_path_factory.mktemp("trip") / product.file
    path.write_text(product.write(said), "utf-8")
    items = list(reader.read_file(path, mappings={}))
    assert not [item for item in items if isinstance(item, Refusal)]
    (trace,) = (item for item in items if isinstance(item, Trace))
    before, after = expected(said), found(trace)
    for key in product.silent:
        del before[key], after[key]
    assert after == before
