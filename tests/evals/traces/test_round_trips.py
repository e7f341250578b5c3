"""An exchange reads back the same, whichever product wrote it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.records import Refusal, Trace
from evals.traces import reader
from tests.evals.traces.exchange import Exchange, ToolCall
from tests.evals.traces.products import PRODUCTS

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip()) and text.strip()[0] != '"'
)
"""Not a quoted text, which is read as JSON."""
TEXTS = WORDS | st.sampled_from(
    ["[1, 2]", '{"a": 1}', "null", "a\nb", "tab\there", "<b>", "{", "1e5", "true"]
)
PROSE = TEXTS | st.sampled_from(
    [
        '{"price": 1.50,  "title": "A"}',
        '{"answer": "In Bonn."}',
        '{\n  "output": 1\n}',
        '"quoted"',
        '[{"role": "assistant", "content": "deep"}]',
        '{"messages": [{"role": "user", "content": "x"}]}',
    ]
)
"""Questions and answers may be JSON, and may even look like a framework's wrapper."""
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
    question=PROSE,
    answer=PROSE,
    tool=st.none() | TOOLS,
    model_requested=NAMES.map("gpt-{}".format),
    model=NAMES.map("gpt-{}-2026-01-01".format),
    tokens_in=st.integers(1, 10**6),
    tokens_out=st.integers(1, 10**6),
    cost=st.integers(1, 10**6).map(lambda n: n / 10**6),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(
        lambda moment: moment.replace(tzinfo=UTC)
    ),
    took_ms=st.integers(1, 10**6),
    tags=st.lists(NAMES, max_size=3, unique=True).map(tuple),
)


def summarize_exchange(exchange: Exchange) -> dict[str, Any]:
    """The fields that a trace of the exchange should have."""
    return {
        "trace_id": exchange.trace_id,
        "ts": exchange.start,
        "app": exchange.app,
        "session_id": exchange.session,
        "user_id": exchange.user,
        "input": exchange.question,
        "output": exchange.answer,
        "model_requested": exchange.model_requested,
        "model": exchange.model,
        "tokens_in": exchange.tokens_in,
        "tokens_out": exchange.tokens_out,
        "cost_usd": exchange.cost,
        "latency_ms": exchange.took_ms,
        "tags": exchange.tags,
        "messages": [summarize_message(message) for message in exchange.chat()],
        "step": (exchange.tool.name, exchange.tool.arguments, parse_result(exchange.tool.result))
        if exchange.tool
        else None,
    }


def summarize_message(message: dict[str, Any]) -> tuple[Any, ...]:
    """Returns a message's role, text, calls and the call it answers."""
    calls = [
        (call["id"], call["function"]["name"], parse_arguments(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    return message["role"], message.get("content") or "", calls, message.get("tool_call_id")


def parse_result(result: Any) -> Any:
    """Parses a tool's result, without LangSmith's wrapper."""
    if isinstance(result, dict) and set(result) == {"output"}:
        result = result["output"]
    return result if not isinstance(result, str) or result[:1] not in "[{" else parse_json(result)


def parse_json(text: str) -> Any:
    """Parses a JSON text; returns any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_arguments(arguments: Any) -> Any:
    """Parses the arguments of a call."""
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def summarize_trace(trace: Trace) -> dict[str, Any]:
    """The same fields of the imported trace."""
    step = next((step for step in trace.steps if step["kind"] == "tool"), None)
    fields = ("ts", "app", "session_id", "user_id", "input", "output", "model_requested", "model",
              "tokens_in", "tokens_out", "cost_usd", "latency_ms", "tags")  # fmt: skip
    return {
        "trace_id": trace.trace_id.removeprefix("tr-").replace("-", ""),
        **{name: getattr(trace, name) for name in fields},
        "messages": [summarize_message(message) for message in trace.messages],
        "step": (
            step["name"],
            parse_arguments(step.get("input") or {}),
            parse_result(step.get("output")),
        )
        if step
        else None,
    }


@pytest.mark.parametrize("name", PRODUCTS)
@settings(max_examples=60)
@given(exchange=EXCHANGES)
def test_an_exchange_reads_back_from_each_product(
    tmp_path_factory: pytest.TempPathFactory, name: str, exchange: Exchange
) -> None:
    """Ids, times, text, calls, tokens and cost survive; there is one trace and no refusal."""
    product = PRODUCTS[name]
    path = tmp_path_factory.mktemp("trip") / product.file
    path.write_text(product.write(exchange), "utf-8")
    app = exchange.app if "app" in product.missing else None
    items = list(reader.read_file(path, mappings={}, app=app))
    assert not [item for item in items if isinstance(item, Refusal)]
    (trace,) = (item for item in items if isinstance(item, Trace))
    before, after = summarize_exchange(exchange), summarize_trace(trace)
    for key in product.missing:
        del before[key], after[key]
    assert after == before
