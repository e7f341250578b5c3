"""What is promised of Langfuse's, LangSmith's and OpenAI's files beyond their golden ones."""

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


def read(path: Path, **options: Any) -> list[Any]:
    """Everything a file yields."""
    return list(reader.read_file(path, mappings={}, **options))


def write(folder: Path, *rows: Any, name: str = "export.jsonl") -> Path:
    """A file with one JSON row a line."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def observation(trace: int, number: int, **more: Any) -> dict[str, Any]:
    """A row of the blob export."""
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


def shuffled(traces: int) -> list[dict[str, Any]]:
    """The rows of some traces, as an export has them: in no order."""
    rows = [observation(trace, number) for trace in range(traces) for number in range(3)]
    random.Random(1).shuffle(rows)
    return rows


def test_observations_in_parquet_and_json_are_the_same_traces(tmp_path: Path) -> None:
    """Wherever the rows of one trace stand; times are those of start and end, never `latency`."""
    rows = shuffled(40)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "noname")
    fast = {row.trace_id: row for row in read(tmp_path / "noname", app="chat")}
    slow = {row.trace_id: row for row in read(write(tmp_path, *rows), app="chat")}
    assert len(fast) == len(slow) == 40
    for key, trace in fast.items():
        assert isinstance(trace, Trace)
        assert hash_trace(trace, b"") == hash_trace(slow[key], b"")
        assert (trace.input, trace.output) == (f"question {key[2:]}", f"answer {key[2:]}")
        assert (trace.tokens_in, trace.tokens_out, trace.latency_ms) == (2, 4, 9000.0)
        assert (trace.session_id, trace.model, trace.cost_usd) == (None, None, None)
        assert len(trace.steps) == 2


def test_a_warning_and_cached_tokens_are_kept_beside_the_sums(tmp_path: Path) -> None:
    """They have no field; what the fields say is not said again."""
    usage = {"input": 7, "input_cached_tokens": 3, "output": 2, "total": 12}
    plain = {"input": 7, "output": 2, "total": 9}
    rows = [
        observation(1, 1, type="GENERATION", usage_details=usage, level="WARNING"),
        observation(2, 1, type="GENERATION", usage_details=plain, level="DEFAULT"),
    ]
    one, other = read(write(tmp_path, *rows), app="shop")
    assert (one.tokens_in, one.tokens_out) == (10, 2)
    (step,), (plainer,) = one.steps, other.steps
    assert step["attributes"] == {"usage_details": usage, "level": "WARNING"}
    assert "attributes" not in plainer


def test_what_is_too_much_to_hold_waits_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same traces, and no file is left behind."""
    path = write(tmp_path, *shuffled(60))
    in_memory = {row.trace_id: row for row in read(path, app="chat")}
    monkeypatch.setattr(langfuse, "SpanStore", functools.partial(SpanStore, 2000))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spilled = {row.trace_id: row for row in read(path, app="chat")}
    assert spilled == in_memory
    assert list(tmp_path.iterdir()) == [path]


def test_a_patch_may_come_before_its_post(tmp_path: Path) -> None:
    """Lines of a log are in the order of the network."""
    lines = (GOLDEN / "langsmith_posts.jsonl").read_text().splitlines()[:2]
    path = tmp_path / "runs.jsonl"
    found = []
    for order in (lines, lines[::-1]):
        path.write_text("\n".join(order))
        found += read(path, app="chat")
    assert [type(row) for row in found] == [Trace, Trace]
    assert (found[0].input, found[0].output, found[0].latency_ms) == ("howdy", "Howdy!", 1500.0)
    assert hash_trace(found[0], b"") == hash_trace(found[1], b"")


def test_what_a_person_would_have_answered_is_in_the_label_s_note(tmp_path: Path) -> None:
    """Feedback of LangSmith may carry a correction beside its comment."""
    said = {"run_id": "r", "trace_id": "r", "key": "right", "score": 0, "comment": "No."}
    path = write(tmp_path, {**said, "correction": {"answer": "Bonn"}}, said)
    notes = [label.critique for label in read(path)]
    assert notes == ['No.; correction: {"answer":"Bonn"}', "No."]


def test_children_nested_in_their_run_are_steps(tmp_path: Path) -> None:
    """As LangSmith's tools write a run that was loaded with its children."""
    child = {"id": "b", "run_type": "tool", "name": "track", "inputs": {"id": 7}}
    child |= {"start_time": "2026-10-01T12:00:00", "end_time": "2026-10-01T12:00:01"}
    run = {**child, "id": "a", "run_type": "chain", "trace_id": "a", "child_runs": [child]}
    run |= {"inputs": {"question": "Where?"}, "outputs": {"output": "In Bonn."}}
    (trace,) = read(write(tmp_path, run), app="chat")
    assert (trace.input, trace.output) == ("Where?", "In Bonn.")
    assert [(step["kind"], step["name"]) for step in trace.steps] == [("tool", "track")]


def test_a_batch_output_without_its_input_still_has_answers(tmp_path: Path) -> None:
    """What was asked is null; beside its input it is known, and the input has no rows."""
    output, asked = (GOLDEN / f"openai_batch_{name}.jsonl" for name in ("output", "input"))
    (tmp_path / output.name).write_bytes(output.read_bytes())
    alone = read(tmp_path / output.name, app="chat")[0]
    assert (alone.input, alone.messages, alone.output) == ("", (), "Bonn.")
    (tmp_path / asked.name).write_bytes(asked.read_bytes())
    beside = read(tmp_path / output.name, app="chat")[0]
    assert (beside.trace_id, beside.input, beside.output) == (alone.trace_id, "Where?", "Bonn.")
    assert read(tmp_path / asked.name, app="chat") == []


def test_a_batch_input_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A request without a response is no trace."""
    path = tmp_path / "asked.jsonl"
    path.write_bytes((GOLDEN / "openai_batch_input.jsonl").read_bytes())
    (refusal,) = read(path, app="chat")
    assert refusal.code == "no-response"
    assert "output file beside" in refusal.reason


def test_nothing_of_a_logged_response_is_lost(tmp_path: Path) -> None:
    """Thoughts, a provider's own tools with their results, and the answers beside the first."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Look it up."}]}
    found = [{"file_id": "f", "text": "in Bonn"}]
    search = {"type": "file_search_call", "id": "s", "queries": ["parcel"], "results": found}
    text = {"type": "message", "role": "assistant"}
    text["content"] = [{"type": "output_text", "text": "In Bonn."}]
    tools = [{"type": "file_search"}]
    response = {"id": "r", "object": "response", "output": [thought, search, text]}
    asked = {"model": "gpt-a", "input": "Where?", "tools": tools}
    choices = [{"index": n, "message": {"role": "assistant", "content": f"{n}"}} for n in range(2)]
    chat = {"id": "c", "object": "chat.completion", "choices": choices}
    beside = {"timestamp": "2026-10-01T12:00:00Z"}
    path = write(
        tmp_path,
        {**beside, "request": asked, "response": response},
        {**beside, "request": {"model": "gpt-a", "messages": []}, "response": chat},
    )
    one, other = read(path, app="shop")
    assert one.output == "In Bonn."
    call, tool = one.steps
    assert call["reasoning"] == "Look it up."
    assert (tool["name"], json.loads(tool["output"])) == ("file_search", found)
    assert one.versions == {"tools": digest(tools, 12)}
    assert (other.output, other.metadata["choices"]) == ("0", choices[1:])


def test_a_mapping_names_the_application_of_a_products_traces(tmp_path: Path) -> None:
    """By a constant, or by a path into what the product keeps in metadata."""
    row = observation(1, 0, metadata=json.dumps({"team": {"name": "care"}}))
    path = write(tmp_path, row)
    constant = {"it": Mapping(constants={"app": "shop"})}
    nested = {"it": Mapping(columns={"app": "steps.0.app"}, constants={"app": "rest"})}
    assert [trace.app for trace in reader.read_file(path, mappings=constant)] == ["shop"]
    assert [trace.app for trace in reader.read_file(path, mappings=nested)] == ["rest"]
    (refused,) = reader.read_file(path, mappings={})
    assert (refused.code, refused.trace_id) == ("no-app", "t-1")
    assert "--assume-app" in refused.reason


def test_a_refused_trace_can_be_read_again(tmp_path: Path) -> None:
    """What quarantine keeps of rows that stood apart is one row of a format that is read."""
    (refused,) = read(write(tmp_path, *[observation(1, n) for n in range(3)]))
    path = tmp_path / "again.jsonl"
    path.write_bytes(refused.raw)
    (trace,) = read(path, app="chat")
    assert (trace.trace_id, trace.input, trace.output) == ("t-1", "question 1", "answer 1")
    assert len(trace.steps) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ('"id": "b"', "duplicate-key"),
        ('"name": "\\ud800"', "not-utf8"),
        ('"name": ' + "[" * 300 + "]" * 300, "too-deep"),
    ],
)
def test_hostile_rows_are_refused_singly(tmp_path: Path, change: str, code: str) -> None:
    """The observations around them are kept."""
    good = [json.dumps(observation(n, 0)) for n in range(2)]
    bad = json.dumps({**observation(7, 0), "name": "x"}).replace('"name": "x"', change)
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join([good[0], bad, good[1]]))
    refusal, *traces = read(path, app="chat")
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.source_line) == (code, 2)
    assert [trace.trace_id for trace in traces] == ["t-0", "t-1"]


def test_harm_within_values_harms_nobody(tmp_path: Path) -> None:
    """Deep JSON in a text, parents in a ring, ids with paths, a hundred thousand attributes."""
    deep = "[" * 5000 + "]" * 5000
    many = {f"k{n}": n for n in range(100_000)}
    rows = [
        observation(1, 0, input=deep, output="{" * 300, metadata=deep),
        observation(2, 0, parent_observation_id="o-2-1"),
        observation(2, 1),
        observation(3, 0, trace_id="../../etc/passwd", session_id="..\\..\\x"),
        observation(4, 0, metadata=json.dumps(many)),
    ]
    before = sorted(tmp_path.parent.rglob("*"))
    found = read(write(tmp_path, *rows), app="chat")
    assert {row.trace_id for row in found} == {"t-1", "t-2", "../../etc/passwd", "t-4"}
    assert {type(row) for row in found} == {Trace}
    assert found[0].input == deep
    assert sorted(tmp_path.parent.rglob("*")) == sorted([*before, tmp_path / "export.jsonl"])


def test_scores_are_no_rows(tmp_path: Path) -> None:
    """A file of scores yields labels alone, their words by the kind of score."""
    found = read(GOLDEN / "langfuse_scores.jsonl")
    labels = [row for row in found if isinstance(row, Label)]
    assert [label.verdict for label in labels] == [1, True, "billing", "nice"]
    kinds = [label.annotator_kind for label in labels]
    assert kinds == ["rule", "human", "judge", "human"]
    assert {type(row) for row in found} == {Label, Refusal}
