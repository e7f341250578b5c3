"""Promises of the demo's recording: it is real, pinned, labelled and complete.

Whether the model can be called again is tested with the runner.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from evals import models
from evals.evaluators.protocol import params_problem
from evals.evaluators.registry import find_declared_type
from evals.experiments import demo_recording
from evals.specs import ModelPin, load_catalog

FOLDER = demo_recording.CATALOG / "demo"
TRACES = FOLDER / "inbox" / "traces.jsonl.gz"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a JSON Lines file; a malformed line fails the test."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def traces() -> list[dict[str, Any]]:
    """Reads the recording."""
    return read_rows(TRACES)


def parse_night(trace: dict[str, Any]) -> date:
    """Parses the night of a recorded trace."""
    return datetime.fromisoformat(trace["ts"]).date()


def collect_values(traces: list[dict[str, Any]], app: str, key: str) -> dict[date, set[str]]:
    """Collects a field's values as JSON, by night of an application."""
    values: dict[date, set[str]] = {}
    for trace in traces:
        if trace["app"] == app:
            values.setdefault(parse_night(trace), set()).add(json.dumps(trace[key]))
    return values


def find_changes(by_night: dict[date, set[str]]) -> list[date]:
    """Finds the nights on which a field differs from the night before."""
    nights = sorted(by_night)
    return [after for before, after in pairwise(nights) if by_night[before] != by_night[after]]


def test_the_recording_is_small() -> None:
    """The fixture is at most 1 MB, and its bytes name no clock."""
    raw = TRACES.read_bytes()
    assert 10_000 < len(raw) <= 1_000_000
    assert raw[4:8] == b"\0\0\0\0"


def test_every_night_of_every_application_is_recorded(traces: list[dict[str, Any]]) -> None:
    """Fourteen nights of three applications, 20 to 28 traces each, under ids used once."""
    counts = Counter((trace["app"], parse_night(trace)) for trace in traces)
    assert len(counts) == 3 * demo_recording.NIGHTS
    assert {night for _, night in counts} >= {date(2026, 10, 1), date(2026, 10, 14)}
    assert all(20 <= count <= 28 for count in counts.values())
    assert len({trace["trace_id"] for trace in traces}) == len(traces)


def test_the_recording_follows_the_plan(traces: list[dict[str, Any]]) -> None:
    """Each trace is one planned request, with the messages of its night's release."""
    planned = {
        request.trace_id: request
        for request in demo_recording.plan_requests(
            demo_recording.read_inputs(demo_recording.CATALOG)
        )
    }
    releases = demo_recording.read_releases(demo_recording.CATALOG)
    assert planned.keys() == {trace["trace_id"] for trace in traces}
    for trace in traces:
        request = planned[trace["trace_id"]]
        release = demo_recording.release_on(releases[trace["app"]], parse_night(trace))
        assert datetime.fromisoformat(trace["ts"]) == request.ts
        assert trace["messages"] == release.build_messages(request.input, request.context)
        assert trace["prompt_hash"] == release.prompt_hash()


def test_extraction_changes_its_prompt_on_the_eighth_night(traces: list[dict[str, Any]]) -> None:
    """Version, hash and commit change together, once, and nothing is mixed within a night."""
    for key in ("prompt_version", "prompt_hash", "git_commit"):
        seen = collect_values(traces, "extraction", key)
        assert all(len(values) == 1 for values in seen.values())
        assert find_changes(seen) == [date(2026, 10, 8)]


def test_notifications_change_their_sampling_on_the_eleventh_night(
    traces: list[dict[str, Any]],
) -> None:
    """The temperature and its named version change; the prompt does not."""
    assert find_changes(collect_values(traces, "notifications", "versions")) == [date(2026, 10, 11)]
    assert find_changes(collect_values(traces, "notifications", "prompt_hash")) == []
    hot = {
        (parse_night(t) >= date(2026, 10, 11), t["params"]["temperature"])
        for t in traces
        if t["app"] == "notifications"
    }
    assert hot == {(False, 0.2), (True, 1.3)}


def test_nl2sql_never_changes(traces: list[dict[str, Any]]) -> None:
    """One application keeps its versions, so that a board can show a steady one."""
    for key in ("prompt_version", "prompt_hash", "git_commit", "versions"):
        assert find_changes(collect_values(traces, "nl2sql", key)) == []


def test_every_answer_is_the_pinned_models(traces: list[dict[str, Any]]) -> None:
    """The model that answered is the one that is pinned."""
    pin = load_catalog(demo_recording.CATALOG).models[demo_recording.PIN]
    assert {(t["model_requested"], t["model"]) for t in traces} == {(pin.model, pin.model)}


@pytest.mark.parametrize("name", ["extraction", "nl2sql"])
def test_every_gold_input_has_a_trace(traces: list[dict[str, Any]], name: str) -> None:
    """Each gold input has a trace, and each trace has its gold."""
    gold = [row["input"] for row in read_rows(demo_recording.CATALOG / "gold" / f"{name}.jsonl")]
    inputs = {
        r["input"] for r in demo_recording.read_inputs(demo_recording.CATALOG) if r["app"] == name
    }
    requested = {trace["input"] for trace in traces if trace["app"] == name}
    assert len(gold) == len(set(gold)) > 100
    assert set(gold) == inputs == requested


def test_labels_bind_to_traces(traces: list[dict[str, Any]]) -> None:
    """300 to 400 labels of the maintainers, each of a recorded trace, on a judged dimension."""
    apps = {trace["trace_id"]: trace["app"] for trace in traces}
    labels = read_rows(FOLDER / "labels.jsonl")
    assert 300 <= len(labels) <= 400
    assert {(label["annotator"], label["annotator_kind"]) for label in labels} == {
        ("maintainers", "human")
    }
    assert {(apps[label["trace_id"]], label["dimension"]) for label in labels} == {
        ("notifications", "faithful-summary"),
        ("nl2sql", "answers-question"),
    }
    assert {label["verdict"] for label in labels} == {"pass", "fail"}
    assert len({(label["trace_id"], label["dimension"]) for label in labels}) == len(labels)


def test_the_weights_are_the_pinned_ones() -> None:
    """The package's file has the pinned digest, and another digest is refused."""
    pin = load_catalog(demo_recording.CATALOG).models[demo_recording.PIN]
    try:
        path = models.find_weights(pin)
    except models.Unavailable as missing:
        assert missing.reason == "no-model"  # noqa: PT017  other weights must fail, not skip
        pytest.skip(f"the package {pin.package} is not installed")
    assert path.name == pin.model
    other = ModelPin(**{**pin.model_dump(), "sha256": "0" * 64})
    with pytest.raises(models.Unavailable) as refused:
        models.find_weights(other)
    assert refused.value.reason == "other-weights"


def test_the_catalog_loads_and_its_checks_exist() -> None:
    """Every check in a suite exists and accepts its params, and its data files exist."""
    catalog = load_catalog(demo_recording.CATALOG)
    assert catalog.demo
    assert set(catalog.apps) == set(catalog.suites) == {"extraction", "notifications", "nl2sql"}
    assert catalog.inbox is not None
    assert catalog.inbox.is_dir()
    assert all(path.is_file() for path in catalog.label_files)
    judged = 0
    for suite in catalog.suites.values():
        for dimension in suite.dimensions:
            assert dimension.check is not None
            declared = find_declared_type(dimension.check)
            judged += declared.names_specs
            assert params_problem(declared.params, dimension.check.params) is None
    assert judged == 2


def test_personal_data_are_reserved_ones(traces: list[dict[str, Any]]) -> None:
    """Addresses end in a reserved domain and numbers are 555-01xx, and there are some of both."""
    inputs = "\n".join({trace["input"] for trace in traces})
    domains = re.findall(r"@([\w.]*\w)", inputs)
    phones = re.findall(r"\d{3}\)?[ -](\d{3}-\d{4})", inputs)
    assert len(domains) > 10
    assert all(re.search(r"(^|\.)example(\.(com|org))?$", domain) for domain in domains)
    assert len(phones) > 10
    assert all(phone.startswith("555-01") for phone in phones)


def test_written_rows_give_the_same_bytes(tmp_path: Path) -> None:
    """Equal rows make equal files, so that a recording can be compared."""
    rows = [{"b": "ü", "a": 1}, {"a": None}]
    for name in ("one.gz", "two.gz"):
        demo_recording.write_traces(tmp_path / name, rows)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    assert read_rows(tmp_path / "one.gz") == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.gz", "two.gz"]


def test_the_nearest_examples_come_last() -> None:
    """The example most like the input is the last one before it."""
    release = demo_recording.read_releases(demo_recording.CATALOG)["nl2sql"][0]
    chat = release.build_messages("How many customers live in Graz?", "customers(city)")
    assert release.nearest == 4
    assert [turn["role"] for turn in chat] == ["system", *["user", "assistant"] * 4, "user"]
    assert "How many customers live in Oslo?" in chat[-3]["content"]
    assert "customers(city)" in chat[0]["content"]
