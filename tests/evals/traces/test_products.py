"""Promises of Langfuse's, LangSmith's and OpenAI's files beyond their golden ones."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evals.ingest.identity import hash_trace
from evals.records import Label, Refusal, Trace, digest
from evals.specs import Mapping
from evals.traces import reader
from evals.traces.formats import langfuse
from evals.traces.spans.spans import SpanStore

GOLDEN = Path(__file__).parent / "golden"


def read_all(path: Path, **options: Any) -> list[Any]:
    """Reads everything in a file."""
    return list(reader.read_file(path, mappings={}, **options))


def write_rows(folder: Path, *rows: Any, name: str = "export.jsonl") -> Path:
    """Writes a file with one JSON row a line."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def build_observation(trace: int, number: int, **more: Any) -> dict[str, Any]:
    """Builds a row of the blob export."""
    return {
        "id": f"o-{trace}-{number}",
        "trace_id": f"t-{trace}",
        "type": "SPAN" if number == 0 else "GENERATION",
        "parent_observation_id": "" if number == 0 else f"o-{trace}-0",
        "start_time": f"2026-10-01 12:00:0{number}.000000",
        "end_time": "2026-10-01 12:00:09.000000",
        "name": "",
        "input": json.dumps([{"role": "user", "content": f"question {trace}"}]),
        "output": f"answer {trace}",
        "usage_details": json.dumps({"input": 1, "output": 2}),
        "latency": 9000.0,
        **more,
    }


def shuffle_observations(traces: int) -> list[dict[str, Any]]:
    """Builds the rows of some traces in random order, as an export has them."""
    rows = [build_observation(trace, number) for trace in range(traces) for number in range(3)]
    random.Random(1).shuffle(rows)
    return rows


def test_observations_in_parquet_and_json_are_the_same_traces(tmp_path: Path) -> None:
    """Rows may be in any order; times come from start and end, and never from `latency`."""
    rows = shuffle_observations(40)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "noname")
    fast = {row.trace_id: row for row in read_all(tmp_path / "noname", app="chat")}
    slow = {row.trace_id: row for row in read_all(write_rows(tmp_path, *rows), app="chat")}
    assert len(fast) == len(slow) == 40
    for key, trace in fast.items():
        assert isinstance(trace, Trace)
        assert hash_trace(trace, b"") == hash_trace(slow[key], b"")
        assert (trace.input, trace.output) == (f"question {key[2:]}", f"answer {key[2:]}")
        assert (trace.tokens_in, trace.tokens_out, trace.latency_ms) == (2, 4, 9000.0)
        assert (trace.session_id, trace.model, trace.cost_usd) == (None, None, None)
        assert len(trace.steps) == 2


def test_a_warning_and_cached_tokens_are_read_beside_the_sums(tmp_path: Path) -> None:
    """They are attributes, since they have no field; values with a field are not repeated."""
    usage = {"input": 7, "input_cached_tokens": 3, "output": 2, "total": 12}
    plain = {"input": 7, "output": 2, "total": 9}
    rows = [
        build_observation(1, 1, type="GENERATION", usage_details=usage, level="WARNING"),
        build_observation(2, 1, type="GENERATION", usage_details=plain, level="DEFAULT"),
    ]
    first, second = read_all(write_rows(tmp_path, *rows), app="shop")
    assert (first.tokens_in, first.tokens_out) == (10, 2)
    (step,), (plainer,) = first.steps, second.steps
    assert step["attributes"] == {"usage_details": usage, "level": "WARNING"}
    assert "attributes" not in plainer


def test_a_large_export_is_buffered_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traces are the same, and no file is left behind."""
    path = write_rows(tmp_path, *shuffle_observations(60))
    in_memory = {row.trace_id: row for row in read_all(path, app="chat")}
    monkeypatch.setattr(langfuse, "SpanStore", functools.partial(SpanStore, 2000))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spilled = {row.trace_id: row for row in read_all(path, app="chat")}
    assert spilled == in_memory
    assert list(tmp_path.iterdir()) == [path]


def test_a_patch_may_come_before_its_post(tmp_path: Path) -> None:
    """Both orders yield the same trace."""
    lines = (GOLDEN / "langsmith_posts.jsonl").read_text().splitlines()[:2]
    path = tmp_path / "runs.jsonl"
    items = []
    for order in (lines, lines[::-1]):
        path.write_text("\n".join(order))
        items += read_all(path, app="chat")
    assert [type(row) for row in items] == [Trace, Trace]
    assert (items[0].input, items[0].output, items[0].latency_ms) == ("howdy", "Howdy!", 1500.0)
    assert hash_trace(items[0], b"") == hash_trace(items[1], b"")


def test_a_correction_is_in_the_label_s_critique(tmp_path: Path) -> None:
    """LangSmith's correction is appended to the feedback's comment."""
    feedback = {"run_id": "r", "trace_id": "r", "key": "right", "score": 0, "comment": "No."}
    path = write_rows(tmp_path, {**feedback, "correction": {"answer": "Bonn"}}, feedback)
    notes = [label.critique for label in read_all(path)]
    assert notes == ['No.; correction: {"answer":"Bonn"}', "No."]


def test_children_nested_in_their_run_are_steps(tmp_path: Path) -> None:
    """A run as LangSmith's tools write it with its children is one trace."""
    child = {"id": "b", "run_type": "tool", "name": "track", "inputs": {"id": 7}}
    child |= {"start_time": "2026-10-01T12:00:00", "end_time": "2026-10-01T12:00:01"}
    run = {**child, "id": "a", "run_type": "chain", "trace_id": "a", "child_runs": [child]}
    run |= {"inputs": {"question": "Where?"}, "outputs": {"output": "In Bonn."}}
    (trace,) = read_all(write_rows(tmp_path, run), app="chat")
    assert (trace.input, trace.output) == ("Where?", "In Bonn.")
    assert [(step["kind"], step["name"]) for step in trace.steps] == [("tool", "track")]


def test_a_batch_output_without_its_input_still_has_answers(tmp_path: Path) -> None:
    """Its traces have no input; beside the input file they have, and that file has no rows."""
    output, requests = (GOLDEN / f"openai_batch_{name}.jsonl" for name in ("output", "input"))
    (tmp_path / output.name).write_bytes(output.read_bytes())
    alone = read_all(tmp_path / output.name, app="chat")[0]
    assert (alone.input, alone.messages, alone.output) == ("", (), "Bonn.")
    (tmp_path / requests.name).write_bytes(requests.read_bytes())
    beside = read_all(tmp_path / output.name, app="chat")[0]
    assert (beside.trace_id, beside.input, beside.output) == (alone.trace_id, "Where?", "Bonn.")
    assert read_all(tmp_path / requests.name, app="chat") == []


def test_a_batch_input_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A request without a response is never a trace."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes((GOLDEN / "openai_batch_input.jsonl").read_bytes())
    (refusal,) = read_all(path, app="chat")
    assert refusal.code == "no-response"
    assert "output file beside" in refusal.reason


def test_nothing_of_a_logged_response_is_lost(tmp_path: Path) -> None:
    """Reasoning, built-in tools with their results, and further choices are read."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Look it up."}]}
    items = [{"file_id": "f", "text": "in Bonn"}]
    search = {"type": "file_search_call", "id": "s", "queries": ["parcel"], "results": items}
    text = {"type": "message", "role": "assistant"}
    text["content"] = [{"type": "output_text", "text": "In Bonn."}]
    tools = [{"type": "file_search"}]
    response = {"id": "r", "object": "response", "output": [thought, search, text]}
    request = {"model": "gpt-a", "input": "Where?", "tools": tools}
    choices = [{"index": n, "message": {"role": "assistant", "content": f"{n}"}} for n in range(2)]
    chat = {"id": "c", "object": "chat.completion", "choices": choices}
    beside = {"timestamp": "2026-10-01T12:00:00Z"}
    path = write_rows(
        tmp_path,
        {**beside, "request": request, "response": response},
        {**beside, "request": {"model": "gpt-a", "messages": []}, "response": chat},
    )
    first, second = read_all(path, app="shop")
    assert first.output == "In Bonn."
    call, tool = first.steps
    assert call["reasoning"] == "Look it up."
    assert (tool["name"], json.loads(tool["output"])) == ("file_search", items)
    assert first.versions == {"tools": digest(tools, 12)}
    assert (second.output, second.metadata["choices"]) == ("0", choices[1:])


def test_a_mapping_names_the_application_of_a_products_traces(tmp_path: Path) -> None:
    """The name comes from a constant, or from a path into the product's metadata."""
    row = build_observation(1, 0, metadata=json.dumps({"team": {"name": "care"}}))
    path = write_rows(tmp_path, row)
    constant = {"it": Mapping(constants={"app": "shop"})}
    nested = {"it": Mapping(columns={"app": "steps.0.app"}, constants={"app": "rest"})}
    assert [trace.app for trace in reader.read_file(path, mappings=constant)] == ["shop"]
    assert [trace.app for trace in reader.read_file(path, mappings=nested)] == ["rest"]
    (refused,) = reader.read_file(path, mappings={})
    assert (refused.code, refused.trace_id) == ("no-app", "t-1")
    assert "--assume-app" in refused.reason


def test_a_refused_trace_can_be_read_again(tmp_path: Path) -> None:
    """Quarantine stores its scattered rows as one row of a readable format."""
    (refused,) = read_all(write_rows(tmp_path, *[build_observation(1, n) for n in range(3)]))
    path = tmp_path / "again.jsonl"
    path.write_bytes(refused.raw)
    (trace,) = read_all(path, app="chat")
    assert (trace.trace_id, trace.input, trace.output) == ("t-1", "question 1", "answer 1")
    assert len(trace.steps) == 2


@pytest.mark.parametrize(
    "change", ['"id": "b"', '"name": "\\ud800"', '"name": ' + "[" * 300 + "]" * 300]
)
def test_a_flawed_value_costs_no_observation(tmp_path: Path, change: str) -> None:
    """A key that is there twice, half a pair and deep nesting cost only the value they are in."""
    rows = [json.dumps({**build_observation(n, 0), "name": f"x{n}"}) for n in range(3)]
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(rows).replace('"name": "x1"', change))
    traces = read_all(path, app="chat")
    assert [trace.trace_id for trace in traces] == ["t-0", "t-1", "t-2"]


def test_a_row_that_is_no_json_is_refused_singly(tmp_path: Path) -> None:
    """The observations around it are read."""
    rows = [json.dumps({**build_observation(n, 0), "name": f"x{n}"}) for n in range(3)]
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(rows).replace('"name": "x1"', '"name": x1'))
    refusal, *traces = read_all(path, app="chat")
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.source_line) == ("not-json", 2)
    assert [trace.trace_id for trace in traces] == ["t-0", "t-2"]


def test_hostile_values_harm_no_other_row(tmp_path: Path) -> None:
    """Deep JSON, cyclic parents, ids with paths and a hundred thousand attributes are read."""
    deep = "[" * 5000 + "]" * 5000
    many = {f"k{n}": n for n in range(100_000)}
    rows = [
        build_observation(1, 0, input=deep, output="{" * 300, metadata=deep),
        build_observation(2, 0, parent_observation_id="o-2-1"),
        build_observation(2, 1),
        build_observation(3, 0, trace_id="../../etc/passwd", session_id="..\\..\\x"),
        build_observation(4, 0, metadata=json.dumps(many)),
    ]
    before = sorted(tmp_path.parent.rglob("*"))
    items = read_all(write_rows(tmp_path, *rows), app="chat")
    assert {row.trace_id for row in items} == {"t-1", "t-2", "../../etc/passwd", "t-4"}
    assert {type(row) for row in items} == {Trace}
    assert items[0].input == deep
    assert sorted(tmp_path.parent.rglob("*")) == sorted([*before, tmp_path / "export.jsonl"])


def test_scores_become_labels(tmp_path: Path) -> None:
    """A file of scores yields labels and no traces, their verdicts by the type of score."""
    items = read_all(GOLDEN / "langfuse_scores.jsonl")
    labels = [row for row in items if isinstance(row, Label)]
    assert [label.verdict for label in labels] == [1, True, "billing", "nice"]
    kinds = [label.annotator_kind for label in labels]
    assert kinds == ["rule", "human", "judge", "human"]
    assert {type(row) for row in items} == {Label, Refusal}
