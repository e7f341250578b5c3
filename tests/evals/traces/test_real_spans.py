"""What importers make of spans that other systems wrote: facts a person read in the files.

Skips where `../shared/data` is absent.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals.records import Refusal, Trace
from evals.specs import Mapping
from evals.traces import reader

FIXTURES = Path(__file__).parents[4] / "shared" / "data" / "trace_fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.exists(), reason="../shared/data is absent")
NAMED = {"it": Mapping(constants={"app": "named"})}


def read(path: Path) -> list[Any]:
    """Reads a file whose application is a mapping's constant."""
    return list(reader.read_file(path, mappings=NAMED))


def read_attributes(attributes: dict[str, Any], folder: Path) -> Trace:
    """Reads the trace of one OTLP span with some attributes: such fixtures have no more."""

    def value(given: Any) -> dict[str, Any]:
        if isinstance(given, dict) and "values" in given:
            return {"arrayValue": given}
        if isinstance(given, list):
            return {"arrayValue": {"values": [value(item) for item in given]}}
        kind = {bool: "boolValue", int: "intValue", float: "doubleValue"}.get(type(given))
        return {kind or "stringValue": given}

    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "startTimeUnixNano": "1790856000000000000",
        "endTimeUnixNano": "1790856001000000000",
        "attributes": [{"key": key, "value": value(given)} for key, given in attributes.items()],
    }
    path = folder / "one.json"
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
    (trace,) = read(path)
    assert isinstance(trace, Trace), trace
    return trace


def load_attributes(name: str) -> dict[str, Any]:
    """Loads the attributes of a fixture."""
    parsed = json.loads((FIXTURES / name).read_text("utf-8"))
    return parsed.get("attributes", parsed)


@pytest.mark.parametrize(
    "name", ["openinference_client_span_tool_calls", "otel_genai_client_span_tool_calls"]
)
def test_one_call_in_two_conventions_is_one_trace(name: str, tmp_path: Path) -> None:
    """OpenInference and OpenTelemetry GenAI give the same chat, tool call and tokens."""
    trace = read_attributes(load_attributes(f"openinference/{name}.json"), tmp_path)
    messages = [(message["role"], message["content"]) for message in trace.messages]
    assert messages == [
        ("user", "Weather in Paris?"),
        ("assistant", "Absolutely! Let me check the weather for you."),
        ("tool", "rainy, 57°F"),
    ]
    (call,) = trace.messages[1]["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("1234", "get_weather")
    assert json.loads(call["function"]["arguments"]) == {"location": "Paris"}
    assert trace.messages[2]["tool_call_id"] == "1234"
    answer = "The weather in Paris is currently rainy with a temperature of 57°F."
    assert (trace.input, trace.output) == ("Weather in Paris?", answer)
    assert (trace.model, trace.provider) == ("gpt-4-0613", "openai")
    assert (trace.tokens_in, trace.tokens_out) == (97, 52)
    assert trace.params["temperature"] == 0.5
    tools = [step for step in trace.steps if step["kind"] == "tool"]
    assert [(step["name"], step["output"]) for step in tools] == [("get_weather", "rainy, 57°F")]


def test_a_chat_in_input_value_alone_is_read(tmp_path: Path) -> None:
    """OpenInference spans without message attributes have OpenTelemetry's messages as JSON."""
    name = "openinference/openinference_client_span_input_output_only.json"
    trace = read_attributes(load_attributes(name), tmp_path)
    assert [message["role"] for message in trace.messages] == ["user", "assistant", "tool"]
    assert trace.output.startswith("The weather in Paris is currently rainy")


def test_a_tool_of_its_own_is_a_step(tmp_path: Path) -> None:
    """An execute_tool span keeps its name, call, arguments and result."""
    trace = read_attributes(
        load_attributes("openinference/otel_genai_tool_execution_span.json"), tmp_path
    )
    (step,) = trace.steps
    assert (step["kind"], step["name"], step["call_id"]) == ("tool", "get_weather", "1234")
    assert step["input"] == {"city": "New York"}
    assert step["output"]["status"] == "success"


def test_the_gemini_cli_writes_parts_without_types(tmp_path: Path) -> None:
    """Its instructions, question, session and tokens are read all the same."""
    trace = read_attributes(load_attributes("langwatch/gemini-B.llm_call.json"), tmp_path)
    assert trace.messages[0]["role"] == "system"
    assert trace.messages[0]["content"].lstrip().startswith("You are a specialized Task Routing AI")
    assert trace.session_id == "945bd8d5-0657-4385-a99e-30240bfd2e00"
    assert (trace.model_requested, trace.tokens_in, trace.tokens_out) == (
        "gemini-3.1-flash-lite",
        767,
        30,
    )
    assert "Turn 1: reply with exactly the line PONG-GEMINI-B1" in trace.input
    assert trace.metadata["prompt_version_source"] == "inferred"


def test_the_vercel_sdk_keeps_prompt_answer_tools_and_session(tmp_path: Path) -> None:
    """A doStream span: its chat in `ai.prompt.messages`, its answer in `ai.response.text`."""
    trace = read_attributes(load_attributes("langwatch/opencode-B.doStream.json"), tmp_path)
    assert trace.output == "PONG-OPENCODE-B1"
    assert trace.messages[0]["content"].startswith("You are OpenCode")
    assert (trace.session_id, trace.user_id) == ("ses_163f6d41affe5UvQOoAwyu4xVP", "rchaves")
    assert (trace.tokens_in, trace.tokens_out, trace.finish_reason) == (12632, 13, "stop")
    assert trace.model == "claude-haiku-4-5-20251001"
    assert len(trace.metadata["tool_definitions"]) == 11


def test_javascript_spans_need_an_application_and_then_are_traces() -> None:
    """Ten spans of ten traces name no service: refused so, and read with a constant."""
    path = FIXTURES / "openinference" / "all-spans.json"
    refused = list(reader.read_file(path, mappings={}))
    assert {row.code for row in refused} == {"no-app"}
    assert len(refused) == 10
    traces = read(path)
    assert [type(trace) for trace in traces] == [Trace] * 10
    by_input = {trace.input: trace for trace in traces if trace.messages}
    turn = by_input["And what is 3 + 3?"]
    assert (turn.output, turn.tokens_in, turn.tokens_out) == ("3 + 3 equals 6.", 50, 9)
    assert [message["role"] for message in turn.messages] == ["system", "user", "assistant", "user"]
    recipe = by_input["Generate a simple recipe for scrambled eggs."]
    assert json.loads(recipe.output)["name"] == "Scrambled Eggs"


@pytest.mark.parametrize("name", ["claude_code", "claude_cowork", "cursor", "raw_otlp_advanced"])
def test_ids_of_zeros_are_refused(name: str) -> None:
    """With a reason, and nothing is made of them."""
    (refusal,) = read(FIXTURES / "langwatch" / f"{name}.json")
    assert (refusal.code, refusal.source_line) == ("zero-trace-id", 1)
    assert "all zeros" in refusal.reason


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("trace", "no-llm-span"),
        ("otlp_proto_example_trace", "no-llm-span"),
        ("metrics", "no-spans"),
        ("logs", "no-spans"),
        ("events", "no-spans"),
    ],
)
def test_what_has_no_model_in_it_is_refused_once(name: str, code: str) -> None:
    """The protocol's own examples: a server span, metrics and plain logs."""
    (refusal,) = read(FIXTURES / "otel_proto" / f"{name}.json")
    assert (refusal.code, refusal.night) == (code, None)


def test_a_phoenix_turn_is_one_trace_with_its_tools() -> None:
    """Eighteen spans of an agent: question, answer, session, and every tool that was run."""
    path = FIXTURES / "phoenix" / "pxi_turn_trace.json"
    spans = json.loads(path.read_text("utf-8"))
    (trace,) = read(path)
    assert trace.source_format == "phoenix"
    assert trace.input == "can you save this trace to a dataset?"
    assert trace.output.startswith("Done! I created the dataset [`golden_examples`]")
    assert (trace.session_id, trace.latency_ms) == ("fixture-session", 35000.0)
    kinds = Counter(span["span_kind"].lower() for span in spans)
    assert Counter(step["kind"] for step in trace.steps) == kinds - Counter(["agent"])
    prompt = sum(s["attributes"].get("llm.token_count.prompt", 0) for s in spans)
    assert trace.tokens_in == prompt
    assert trace.model == "claude-fable-5"


def test_phoenix_traces_with_span_ids_of_zeros_keep_their_tree(tmp_path: Path) -> None:
    """Each of the five is one trace whose root is the turn."""
    parsed = json.loads((FIXTURES / "phoenix" / "pxi_suggestion_traces.json").read_text("utf-8"))
    path = tmp_path / "spans.jsonl"
    spans = [span for trace in parsed.values() for span in trace]
    path.write_text("".join(json.dumps(span) + "\n" for span in spans))
    traces = read(path)
    assert [type(trace) for trace in traces] == [Trace] * len(parsed)
    assert [trace.session_id for trace in traces] == ["session-0000"] * len(parsed)
    steps = sum(len(trace.steps) for trace in traces)
    assert steps == len(spans) - len(parsed)
    assert "root" not in traces[0].metadata


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_phoenix_dataframe_is_read_from_any_table(kind: str, tmp_path: Path) -> None:
    """Sixty-five spans with Python-printed cells: documents, models, questions and answers."""
    source = FIXTURES / "phoenix" / "example_traces.db"
    db = sqlite3.connect(f"file:{source}?mode=ro&immutable=1", uri=True)
    db.row_factory = sqlite3.Row
    rows = [
        {key: None if cell == "None" else cell for key, cell in dict(row).items()}
        for row in db.execute("select * from traces")
    ]
    db.close()
    path = tmp_path / f"spans.{kind}"
    write_table(path, rows)
    traces = read(path)
    assert [type(trace) for trace in traces] == [Trace] * 65
    steps = Counter(step["kind"] for trace in traces for step in trace.steps)
    assert (steps["retrieval"], steps["embedding"], steps["llm"]) == (26, 13, 13)
    answers = [trace for trace in traces if trace.model]
    assert {trace.model for trace in answers} == {"gpt-3.5-turbo"}
    assert all(trace.messages and trace.output for trace in answers)
    passages = [trace.context for trace in traces if trace.context]
    assert len(passages) == 26
    assert any(text.startswith("I started this decade") for text in passages)


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Rows as CSV, Parquet or JSON lines."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)


def test_every_fixture_is_accounted_for() -> None:
    """No file of any system makes an importer fail, and each row is a trace or a refusal."""
    for path in sorted(FIXTURES.rglob("*.json*")):
        rows = read(path)
        assert rows, path
        assert all(isinstance(row, Trace) or row.reason for row in rows if not is_label(row)), path


def is_label(row: Any) -> bool:
    """Whether a row is neither trace nor refusal."""
    return not isinstance(row, Trace | Refusal)
