"""Merges traces that exports split over several files: one trace, whole, counted once."""

from __future__ import annotations

import dataclasses
import itertools
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.ingest import staging
from evals.ingest.fragments import merge_fragments, select_versions
from evals.ingest.identity import hash_trace
from evals.records import Trace
from evals.specs import Catalog
from evals.storage.lake import Lake
from evals.traces import reader
from evals.validation import admission

GOLDEN = Path(__file__).parents[1] / "traces" / "golden"
NOW = datetime(2026, 10, 3, 9, tzinfo=UTC)
WHENCE = {"source_file": "", "source_line": 0, "content_hash": ""}
NAMES = ["otlp_g0.jsonl", "otlp_g2.jsonl", "otlp_g3.json", "langfuse_observations.jsonl"]


def split_spans(path: Path) -> list[dict[str, Any]]:
    """Returns a file's spans, each in its own envelope; its rows, where they are spans."""
    text = path.read_text("utf-8")
    rows = [json.loads(text)] if path.suffix == ".json" else map(json.loads, text.splitlines())
    rows_of_spans: list[dict[str, Any]] = []
    for row in rows:
        for group in row.get("resourceSpans", ()):
            for scope in group["scopeSpans"]:
                for span in scope["spans"]:
                    alone = {**scope, "spans": [span]}
                    rows_of_spans.append({"resourceSpans": [{**group, "scopeSpans": [alone]}]})
        if "resourceSpans" not in row:
            rows_of_spans.append(row)
    return rows_of_spans


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes rows to a file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_traces(path: Path) -> dict[str, Trace]:
    """Reads a file's traces by their ids, with their content hashes."""
    rows = reader.read_file(path, mappings={})
    return {
        row.trace_id: dataclasses.replace(row, content_hash=hash_trace(row, b""))
        for row in rows
        if isinstance(row, Trace)
    }


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(data=st.data())
def test_the_halves_of_a_file_give_the_traces_of_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Every field is equal but its place in the file; a repeated half adds nothing."""
    folder, rows = tmp_path_factory.mktemp("cut"), split_spans(GOLDEN / name)
    sides = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    halves = [list(itertools.compress(rows, [s == side for s in sides])) for side in (True, False)]
    first, second = (
        read_traces(write_rows(folder / f"{n}.jsonl", own)) if own else {}
        for n, own in enumerate(halves)
    )
    whole = read_traces(write_rows(folder / "whole.jsonl", rows))
    for trace_id in first.keys() & second.keys():
        versions = [first[trace_id], second[trace_id]]
        one = merge_fragments(versions) if select_versions(versions) == [0, 1] else versions[1]
        assert dataclasses.replace(one, **WHENCE) == dataclasses.replace(whole[trace_id], **WHENCE)
        assert select_versions([*versions, versions[0]]) == select_versions(versions)


def admit_files(home: Path, *paths: Path) -> tuple[dict[str, Any], list[Trace]]:
    """Admits files; returns the account of their only application and the traces of every night."""
    lake, catalog = Lake(home).open(), Catalog(root=home)
    for path in paths:
        staging.import_file(lake, catalog, path, app="shop", now=NOW)
    accounts_by_night = admission.admit_nights(lake, catalog, lake.list_nights("staged"))
    again = admission.admit_nights(lake, catalog, lake.list_nights("staged"))
    assert again == accounts_by_night
    accounts = [account for apps in accounts_by_night.values() for account in apps.values()]
    total: dict[str, int] = {}
    for key in ("read", "accepted", "duplicate", "corrected", "merged", "quarantined"):
        total[key] = sum(account[key] for account in accounts)
    assert total["read"] == total["accepted"] + total["duplicate"] + total["quarantined"]
    return total, lake.read("traces", lake.list_nights("traces"))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_files_with_half_the_spans_each_are_one_trace(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    """They merge in both orders; the whole file, imported later, corrects the merged trace."""
    rows = split_spans(GOLDEN / "otlp_g0.jsonl")
    halves = [
        write_rows(tmp_path / "a.jsonl", rows[:2]),
        write_rows(tmp_path / "b.jsonl", rows[2:]),
    ]
    counts, (trace,) = admit_files(tmp_path / "home", *(halves[n] for n in order))
    assert (counts["read"], counts["accepted"], counts["merged"]) == (2, 1, 1)
    whole = write_rows(tmp_path / "whole.jsonl", rows)
    _, (whole_trace,) = admit_files(tmp_path / "other", whole)
    apart: Any = {**WHENCE, "user_id": None}  # each home hashes with a key of its own
    assert dataclasses.replace(trace, **apart) == dataclasses.replace(whole_trace, **apart)
    counts, (trace,) = admit_files(tmp_path / "home", whole)
    assert (counts["accepted"], counts["merged"], counts["corrected"]) == (1, 0, 2)
    assert dataclasses.replace(trace, **apart) == dataclasses.replace(whole_trace, **apart)


def test_a_trace_that_ends_after_midnight_is_of_the_night_it_began(tmp_path: Path) -> None:
    """Langfuse's observations in two hourly files, the root in the second, are one trace."""
    base = {"trace_id": "t", "project_id": "p", "environment": "default", "metadata": "{}"}
    root = {**base, "id": "r", "type": "SPAN", "parent_observation_id": "", "name": "chat",
            "start_time": "2026-10-01 23:59:58.000000", "end_time": "2026-10-02 00:00:03.000000",
            "input": "Hi?", "output": "Hello."}  # fmt: skip
    call = {**base, "id": "g", "type": "GENERATION", "parent_observation_id": "r", "name": "call",
            "start_time": "2026-10-02 00:00:01.000000", "end_time": "2026-10-02 00:00:02.000000",
            "input": '[{"role": "user", "content": "Hi?"}]',
            "output": '{"role": "assistant", "content": "Hello."}',
            "provided_model_name": "gpt-4o-mini",
            "usage_details": {"input": 7, "output": 2}}  # fmt: skip
    hours = [write_rows(tmp_path / "00.jsonl", [call]), write_rows(tmp_path / "01.jsonl", [root])]
    counts, (trace,) = admit_files(tmp_path / "home", *hours)
    assert (counts["accepted"], counts["duplicate"], counts["merged"]) == (1, 1, 1)
    assert (trace.output, trace.tokens_in, trace.model) == ("Hello.", 7, "gpt-4o-mini")
    lake = Lake(tmp_path / "home").open()
    assert lake.read("traces", [date(2026, 10, 1)]) == [trace]


ROOT, CALL = "1f3c7a52-5b1e-4d0a-9c1e-7e2f6a4b8c01", "9a4e2d1c-3f5b-4c6d-8e7f-0a1b2c3d4e02"
PLACES = {
    ROOT: f"20261001T120000000000Z{ROOT}",
    CALL: f"20261001T120000000000Z{ROOT}.20261001T120001000000Z{CALL}",
}


def build_half(run: str, **more: Any) -> dict[str, Any]:
    """Builds what LangSmith's SDK posts or patches of a run."""
    return {"id": run, "trace_id": ROOT, "dotted_order": PLACES[run], **more}


def build_halves() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Builds the posts and the patches of a chain and of the model's call in it."""
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Where?"}]
    extra = {"metadata": {"ls_provider": "openai"}, "invocation_params": {"temperature": 0}}
    answer = {"message": {"role": "assistant", "content": "In Bonn."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    posts = [
        build_half(ROOT, name="agent", run_type="chain", inputs={"question": "Where?"}),
        build_half(CALL, name="call", run_type="llm", inputs={"model": "gpt-a", "messages": chat}),
    ]
    for n, post in enumerate(posts):
        post |= {"start_time": f"2026-10-01T12:00:0{n}Z", "session_name": "shop"}
        post |= {"parent_run_id": ROOT, "extra": extra} if n else {}
    patches = [
        build_half(CALL, outputs={"model": "gpt-a-2026", "choices": [answer], "usage": usage}),
        build_half(ROOT, outputs={"output": "In Bonn."}),
    ]
    for n, patch in enumerate(patches):
        patch["end_time"] = f"2026-10-01T12:00:0{n + 2}Z"
    return posts, patches


@pytest.mark.parametrize("runs", [(0,), (0, 1)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_posts_and_patches_in_two_files_are_one_trace(
    tmp_path: Path, runs: tuple[int, ...], order: tuple[int, int]
) -> None:
    """The trace equals that of one file with both; a chain without a call has halves too."""
    posts, patches = (
        [run for run in half if run["id"] in {(ROOT, CALL)[n] for n in runs}]
        for half in build_halves()
    )
    halves = [
        write_rows(tmp_path / "posts.jsonl", [{"post": posts}]),
        write_rows(tmp_path / "patches.jsonl", [{"patch": patches}]),
    ]
    counts, (trace,) = admit_files(tmp_path / "home", *(halves[n] for n in order))
    assert (counts["read"], counts["accepted"], counts["merged"]) == (2, 1, 1)
    both = write_rows(tmp_path / "both.jsonl", [{"post": posts}, {"patch": patches}])
    _, (whole_trace,) = admit_files(tmp_path / "other", both)
    assert (whole_trace.input, whole_trace.output, whole_trace.latency_ms) == (
        "Where?",
        "In Bonn.",
        3000.0,
    )
    assert trace.metadata.pop("app_source") == "assumed"  # a patch names no project
    assert dataclasses.replace(trace, **WHENCE) == dataclasses.replace(whole_trace, **WHENCE)


@pytest.mark.parametrize("half", ["begun", "ended"])
def test_the_metadata_names_the_only_half_of_a_trace(tmp_path: Path, half: str) -> None:
    """A half is no whole trace without an answer or without a question."""
    posts, patches = build_halves()
    rows = [{"post": posts}] if half == "begun" else [{"patch": patches}]
    _, (trace,) = admit_files(tmp_path / "home", write_rows(tmp_path / "half.jsonl", rows))
    assert trace.metadata["root"] == half
    assert (trace.input, trace.output) == (("Where?", "") if half == "begun" else ("", "In Bonn."))
