"""What is promised of logs of single calls (Bedrock, Azure, Vertex AI, Helicone, LiteLLM).

Their golden files promise every field; here are bodies in files of their own, calls in several
entries, streams, and files without any text.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.ingest.staging import import_file
from evals.records import NonAnswer, Refusal, Trace, digest
from evals.specs import Catalog
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.lake import Lake
from evals.storage.overlay import open_overlay
from evals.traces import reader
from evals.traces.messages.calls import decode_body, describe_call
from evals.validation.explain import explain_files
from evals.validation.row_summary import summarize_files

GOLDEN = Path(__file__).parent / "golden"
REQUEST_ID = "00000000-0000-4000-8000-000000000001"


def read(path: Path, **options: Any) -> list[Any]:
    """Everything a file yields."""
    return list(reader.read_file(path, mappings={}, app="desk", **options))


def write(folder: Path, *rows: Any, name: str = "calls.jsonl") -> Path:
    """Writes a file with one JSON row a line."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def make_invocation(**more: Any) -> dict[str, Any]:
    """An entry of Bedrock's model invocation log."""
    request = {"messages": [{"role": "user", "content": [{"text": "Where?"}]}]}
    answer = {"role": "assistant", "content": [{"text": "In Bonn."}]}
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-10-01T12:00:00Z",
        "requestId": REQUEST_ID,
        "operation": "Converse",
        "modelId": "amazon.nova-lite-v1:0",
        "input": {"inputBodyJson": request},
        "output": {"outputBodyJson": {"output": {"message": answer}, "stopReason": "end_turn"}},
        **more,
    }


@pytest.mark.parametrize("chunked", [False, True])
def test_bedrock_bodies_in_files_of_their_own_are_read(tmp_path: Path, chunked: bool) -> None:
    """They lie in `data/` beside the log, packed, a stream as a list; until then only they lack."""
    names = {side: f"{REQUEST_ID}_{side}.json.gz" for side in ("input", "output")}
    entry = make_invocation(
        modelId="anthropic.claude-3-haiku-20240307-v1:0",
        input={"inputBodyS3Path": f"s3://logs/AWSLogs/2026/data/{names['input']}"},
        output={"outputBodyS3Path": f"s3://logs/AWSLogs/2026/data/{names['output']}"},
    )
    path = write(tmp_path, entry, make_invocation(requestId="other"))
    refused, whole = read(path)
    assert (refused.code, refused.trace_id, refused.source_line) == ("missing-body", REQUEST_ID, 1)
    assert names["input"] in refused.reason
    assert whole.output == "In Bonn."

    request = {"messages": [{"role": "user", "content": "Where exactly?"}]}
    pieces = [
        {"type": "message_start", "message": {"role": "assistant", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}}
            for t in ("At the ", "station.")
        ),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    ]
    content = [{"type": "text", "text": "At the station."}]
    answer = {"role": "assistant", "content": content, "stop_reason": "end_turn"}
    (tmp_path / "data").mkdir()
    for side, body in (("input", request), ("output", pieces if chunked else answer)):
        packed = gzip.compress(json.dumps(body).encode())
        (tmp_path / "data" / names[side]).write_bytes(packed)
    trace, _ = read(path)
    assert (trace.input, trace.output, trace.finish_reason) == (
        "Where exactly?",
        "At the station.",
        "end_turn",
    )
    assert read(tmp_path / "data" / names["output"]) == [NonAnswer(1, "stored body")]


def test_bedrock_bodies_are_found_in_a_copied_inbox(tmp_path: Path) -> None:
    """A remote inbox is copied with each object in a folder of its own, named by its key."""
    key = f"logs/AWSLogs/2026/data/{REQUEST_ID}_output.json.gz"
    entry = make_invocation(output={"outputBodyS3Path": f"s3://{key}"})
    answer = make_invocation()["output"]["outputBodyJson"]
    for name in (digest("logs/AWSLogs/2026/calls.jsonl"), digest(key)):
        (tmp_path / name).mkdir()
    body = tmp_path / digest(key) / f"{REQUEST_ID}_output.json.gz"
    body.write_bytes(gzip.compress(json.dumps(answer).encode()))
    (trace,) = read(write(tmp_path / digest("logs/AWSLogs/2026/calls.jsonl"), entry))
    assert trace.output == "In Bonn."


def test_bedrock_entries_are_found_in_what_cloudwatch_exports(tmp_path: Path) -> None:
    """Its events hold them as text: pages of the API, of a subscription, of a query."""
    text = json.dumps(make_invocation())
    pages = [
        {"events": [{"timestamp": 1, "message": text}, {"timestamp": 2, "message": "{broken"}]},
        {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": text}]},
        {"@timestamp": "2026-10-01", "@message": text},
    ]
    for page in pages:
        items = read(write(tmp_path, page, name="page.json"))
        assert isinstance(items[0], Trace)
        assert items[0].output == "In Bonn."
        assert [row.code for row in items[1:]] == ["bad-entry"] * (len(items) - 1)


def make_gateway_entry(category: str, number: int, **properties: Any) -> dict[str, Any]:
    """An entry of API Management's logs, of the call `c-NUMBER`."""
    return {
        "time": f"2026-10-01T12:00:0{number}.0000000Z",
        "category": category,
        "operationName": f"Microsoft.ApiManagement/{category}",
        "correlationId": f"c-{number}",
        "properties": properties,
    }


def test_entries_of_one_call_are_joined_wherever_they_stand(tmp_path: Path) -> None:
    """Several calls' entries are mixed in the file, and the answer's pieces are in no order."""
    rows: list[Any] = []
    for number in range(1, 5):
        chat = [{"role": "user", "content": f"question {number}"}]
        rows += [
            make_gateway_entry("GatewayLlmLogs", number, sequenceNumber=1, requestMessages=chat),
            *(
                make_gateway_entry(
                    "GatewayLlmLogs",
                    number,
                    sequenceNumber=n,
                    responseMessages=[{"role": "assistant", "content": piece}],
                )
                for n, piece in ((3, "two"), (2, "one, "))
            ),
            make_gateway_entry("GatewayLlmLogs", number, sequenceNumber=0, promptTokens=number),
        ]
    half = len(rows) // 2
    mixed = [*rows[::2], *rows[1::2]]
    pages = [{"records": mixed[:half]}, {"records": mixed[half:]}]
    for path in (write(tmp_path, *mixed), write(tmp_path, *pages, name="PT1H.json")):
        traces = {trace.trace_id: trace for trace in read(path)}
        assert len(traces) == 4
        for number in range(1, 5):
            trace = traces[f"c-{number}"]
            assert (trace.input, trace.output) == (f"question {number}", "one, two")
            assert trace.tokens_in == number


def test_a_query_of_log_analytics_is_read_as_its_rows(tmp_path: Path) -> None:
    """Its API returns tables of columns and rows."""
    names = ["TimeGenerated", "CorrelationId", "RequestMessages", "ResponseMessages"]
    question = json.dumps([{"role": "user", "content": "Where?"}])
    answer = json.dumps([{"role": "assistant", "content": "In Bonn."}])
    table = {
        "name": "PrimaryResult",
        "columns": [{"name": name, "type": "string"} for name in names],
        "rows": [["2026-10-01T12:00:00Z", "c-1", question, answer]],
    }
    (trace,) = read(write(tmp_path, {"tables": [table]}, name="query.json"))
    assert (trace.trace_id, trace.input, trace.output) == ("c-1", "Where?", "In Bonn.")


WITHOUT_TEXT = (
    "azure_request_response.json",
    "helicone_without_bodies.csv",
    "litellm_without_prompts.jsonl",
)


@pytest.mark.parametrize("name", WITHOUT_TEXT)
def test_a_file_without_any_text_is_refused_once_with_what_to_export(name: str) -> None:
    """Not once a row, and not for a missing id."""
    *entries, refusal = read(GOLDEN / name)
    assert {entry.kind for entry in entries} == {"entry without text"}
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.source_line) == ("no-answer-text", 0)
    assert "xport" in refusal.reason


def test_entries_without_text_beside_others_are_only_counted(tmp_path: Path) -> None:
    """A log mixes calls with entries of other kinds; the calls are read."""
    chat = [{"role": "user", "content": "Where?"}]
    rows = [
        make_gateway_entry("RequestResponse", 1, modelDeploymentName="desk"),
        make_gateway_entry("GatewayLlmLogs", 2, requestMessages=chat, responseMessages=["Bonn."]),
        {"time": "2026-10-01T12:00:00Z", "category": "AllMetrics", "metricName": "Calls"},
    ]
    items = read(write(tmp_path, *rows))
    assert sorted(type(row).__name__ for row in items) == ["NonAnswer", "NonAnswer", "Trace"]


def test_a_call_whose_response_was_not_logged_is_no_empty_answer(tmp_path: Path) -> None:
    """It may have been answered well; only an error shows that it was not."""
    chat = [{"role": "user", "content": "Where?"}]
    rows = [
        make_gateway_entry("GatewayLlmLogs", 1, requestMessages=chat),
        make_gateway_entry("GatewayLlmLogs", 2, requestMessages=chat),
        make_gateway_entry("GatewayLogs", 2, responseCode=429),
        make_gateway_entry("GatewayLlmLogs", 3, requestMessages=chat, responseMessages=[""]),
    ]
    skipped, failed, empty = read(write(tmp_path, *rows))
    assert skipped == NonAnswer(1, "entry without text")
    assert (failed.output, failed.status) == ("", "error")
    assert (empty.output, empty.status) == ("", "empty")

    taken_out = {"message": {"role": "assistant", "content": "redacted-by-litellm"}}
    row = {"id": "l", "call_type": "completion", "startTime": 1790855990, "messages": chat}
    *entries, refused = read(write(tmp_path, {**row, "response": {"choices": [taken_out]}}))
    assert entries == [NonAnswer(1, "entry without text")]
    assert refused.code == "no-answer-text"


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("azure_llm_logs.jsonl", ["ok", "ok", "filtered", "ok", "timeout"]),
        ("bedrock_converse.jsonl", ["ok", "filtered", "error"]),
        ("vertex_bigquery.jsonl", ["ok", "ok", "cut_off", "filtered", "ok", "error", "ok"]),
        ("helicone.jsonl", ["ok", "error", "error", "cut_off", "ok", "ok", "ok"]),
        ("litellm.jsonl", ["ok", "ok", "timeout", "ok", "filtered", "ok"]),
    ],
)
def test_each_log_tells_how_its_calls_ended(name: str, statuses: list[str]) -> None:
    """By its errors, by the provider's reasons to end, and by what was answered."""
    assert [row.status for row in read(GOLDEN / name) if isinstance(row, Trace)] == statuses


def test_another_api_behind_the_gateway_is_no_model_call(tmp_path: Path) -> None:
    """Its bodies may have any keys; only those of models' APIs are read."""
    bodies = {"requestBody": '{"city": "Bonn"}', "responseBody": '{"text": "Sunny."}'}
    chat = json.dumps({"messages": [{"role": "user", "content": "Where?"}]})
    answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": "In Bonn."}}]})
    rows = [
        make_gateway_entry("GatewayLogs", 1, **bodies),
        make_gateway_entry("GatewayLogs", 2, requestBody=chat, responseBody=answer),
    ]
    skipped, trace = read(write(tmp_path, *rows))
    assert skipped == NonAnswer(1, "entry without text")
    assert trace.output == "In Bonn."


def test_a_name_alone_makes_no_answer_an_image(tmp_path: Path) -> None:
    """A model of images may answer in text; one without an answer is of its model's kind."""
    named = make_invocation(modelId="amazon.nova-canvas-v1:0")
    failed = {**named, "output": {}, "errorCode": "ThrottlingException"}
    trace, skipped = read(write(tmp_path, named, failed))
    assert trace.output == "In Bonn."
    assert skipped == NonAnswer(2, "image")


def test_a_call_that_failed_names_no_model_that_answered(tmp_path: Path) -> None:
    """Otherwise the requested model would seem to replace its dated name."""
    for name in (
        "azure_llm_logs.jsonl",
        "bedrock_converse.jsonl",
        "helicone.jsonl",
        "litellm.jsonl",
    ):
        for row in read(GOLDEN / name):
            if isinstance(row, Trace) and not row.output and row.steps[0].get("error"):
                assert row.model in (None, "gpt-4o-mini-2024-07-18")


def test_litellm_dates_a_call_by_its_start(tmp_path: Path) -> None:
    """A cached answer's `created` may be of another year."""
    for row in read(GOLDEN / "litellm.jsonl"):
        if isinstance(row, Trace):
            assert row.ts.date() == date(2026, 10, 1)


def test_a_bad_item_of_a_page_is_refused_alone(tmp_path: Path) -> None:
    """With the page's row; the others are read."""
    items = read(GOLDEN / "helicone_page.json")
    assert [type(row) for row in items] == [Trace, Refusal, Trace]
    assert items[1].source_line == 1


STREAMS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"choices": [{"index": 0, "delta": {"content": "In "}}]},
        {"choices": [{"index": 1, "delta": {"content": "other"}}]},
        {"choices": [{"index": 0, "delta": {"content": "Bonn."}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    ],
    "responses": [
        {"type": "response.output_text.delta", "delta": "In "},
        {
            "type": "response.completed",
            "response": {
                "output": [
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "In Bonn."}],
                    }
                ],
                "usage": {"input_tokens": 3, "output_tokens": 2},
            },
        },
    ],
    "cohere": [
        {"event_type": "text-generation", "text": "In "},
        {"event_type": "text-generation", "text": "Bonn."},
        {"event_type": "stream-end", "finish_reason": "COMPLETE"},
    ],
    "llama": [{"generation": "In "}, {"generation": "Bonn.", "stop_reason": "stop"}],
    "mistral": [{"outputs": [{"text": "In "}]}, {"outputs": [{"text": "Bonn."}]}],
    "gemini": [
        {"candidates": [{"content": {"parts": [{"text": "Thinking.", "thought": True}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "In "}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "Bonn."}]}, "finishReason": "STOP"}]},
    ],
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_chunks_of_a_stream_are_one_answer(name: str) -> None:
    """As a list, or as the text of server-sent events."""
    events = "".join(f"event: x\ndata: {json.dumps(chunk)}\n\n" for chunk in STREAMS[name])
    for logged in (STREAMS[name], json.dumps(STREAMS[name]), f"{events}data: [DONE]\n\n"):
        assert describe_call({}, decode_body(logged))["output"] == "In Bonn."


def test_what_is_no_answer_is_counted_by_kind(tmp_path: Path) -> None:
    """In the record of the file and in the explanation; it is in no quarantine."""
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    seen = import_file(lake, catalog, GOLDEN / "bedrock_converse.jsonl", app="desk")
    assert seen.skipped == {"embedding": 1, "image": 1}
    assert (seen.read, seen.refused) == (6, 3)
    assert read_inbox_files(lake)[seen.sha256] == seen
    assert summarize_files(lake, catalog, [seen]).skipped == seen.skipped
    with open_overlay(Lake(tmp_path / "none")) as overlay:
        path, now = GOLDEN / "bedrock_converse.jsonl", datetime(2026, 12, 1, tzinfo=UTC)
        (explained,) = explain_files(overlay, catalog, [path], now, app="desk")
    assert explained.skipped == seen.skipped
