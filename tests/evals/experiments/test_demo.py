"""The demo's recording is what it says it is: real, pinned, labelled, and whole.

Whether the model can be asked again is the runner's to show.
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


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file; a line that is no JSON fails the test that asks."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def traces() -> list[dict[str, Any]]:
    """The recording."""
    return read(TRACES)


def night_of(trace: dict[str, Any]) -> date:
    """The night of a recorded trace."""
    return datetime.fromisoformat(trace["ts"]).date()


def releases_seen(traces: list[dict[str, Any]], app: str, key: str) -> dict[date, set[str]]:
    """Per night of an application, the values a field took, as JSON."""
    found: dict[date, set[str]] = {}
    for trace in traces:
        if trace["app"] == app:
            found.setdefault(night_of(trace), set()).add(json.dumps(trace[key]))
    return found


def changes(by_night: dict[date, set[str]]) -> list[date]:
    """The nights on which a field is not what it was the night before."""
    nights = sorted(by_night)
    return [after for before, after in pairwise(nights) if by_night[before] != by_night[after]]


def test_the_recording_is_small() -> None:
    """The fixture is at most 1 MB, and its bytes name no clock."""
    raw = TRACES.read_bytes()
    assert 10_000 < len(raw) <= 1_000_000
    assert raw[4:8] == b"\0\0\0\0"


def test_every_night_of_every_application_is_there(traces: list[dict[str, Any]]) -> None:
    """Fourteen nights of three applications, 20 to 28 traces each, under ids used once."""
    counts = Counter((trace["app"], night_of(trace)) for trace in traces)
    assert len(counts) == 3 * demo_recording.NIGHTS
    assert {night for _, night in counts} >= {date(2026, 10, 1), date(2026, 10, 14)}
    assert all(20 <= count <= 28 for count in counts.values())
    assert len({trace["trace_id"] for trace in traces}) == len(traces)


def test_the_recording_follows_the_plan(traces: list[dict[str, Any]]) -> None:
    """Each trace is one planned request, asked with the messages of its night's release."""
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
        release = demo_recording.release_on(releases[trace["app"]], night_of(trace))
        assert datetime.fromisoformat(trace["ts"]) == request.ts
        assert trace["messages"] == release.build_messages(request.input, request.context)
        assert trace["prompt_hash"] == release.prompt_hash()


def test_extraction_changes_its_prompt_on_the_eighth_night(traces: list[dict[str, Any]]) -> None:
    """Version, hash and commit change together, once, and nothing is mixed within a night."""
    for key in ("prompt_version", "prompt_hash", "git_commit"):
        seen = releases_seen(traces, "extraction", key)
        assert all(len(values) == 1 for values in seen.values())
        assert changes(seen) == [date(2026, 10, 8)]


def test_notifications_change_their_sampling_on_the_eleventh_night(
    traces: list[dict[str, Any]],
) -> None:
    """The temperature and its named version change; the prompt does not."""
    assert changes(releases_seen(traces, "notifications", "versions")) == [date(2026, 10, 11)]
    assert changes(releases_seen(traces, "notifications", "prompt_hash")) == []
    hot = {
        (night_of(t) >= date(2026, 10, 11), t["params"]["temperature"])
        for t in traces
        if t["app"] == "notifications"
    }
    assert hot == {(False, 0.2), (True, 1.3)}


def test_nl2sql_stays(traces: list[dict[str, Any]]) -> None:
    """One application changes nothing, so that a board can show one that held."""
    for key in ("prompt_version", "prompt_hash", "git_commit", "versions"):
        assert changes(releases_seen(traces, "nl2sql", key)) == []


def test_every_answer_is_the_pinned_models(traces: list[dict[str, Any]]) -> None:
    """The model that answered is the one that is pinned."""
    pin = load_catalog(demo_recording.CATALOG).models[demo_recording.PIN]
    assert {(t["model_requested"], t["model"]) for t in traces} == {(pin.model, pin.model)}


@pytest.mark.parametrize("name", ["extraction", "nl2sql"])
def test_every_gold_input_was_asked(traces: list[dict[str, Any]], name: str) -> None:
    """Gold and traces meet: each gold input was asked, and each trace has its gold."""
    gold = [row["input"] for row in read(demo_recording.CATALOG / "gold" / f"{name}.jsonl")]
    inputs = {
        r["input"] for r in demo_recording.read_inputs(demo_recording.CATALOG) if r["app"] == name
    }
    asked = {trace["input"] for trace in traces if trace["app"] == name}
    assert len(gold) == len(set(gold)) > 100
    assert set(gold) == inputs == asked


def test_labels_bind_to_traces(traces: list[dict[str, Any]]) -> None:
    """300 to 400 labels of the maintainers, each of a recorded trace, on a judged dimension."""
    apps = {trace["trace_id"]: trace["app"] for trace in traces}
    labels = read(FOLDER / "labels.jsonl")
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
        found = models.find_weights(pin)
    except models.Unavailable as missing:
        assert missing.reason == "no-model"  # noqa: PT017  other weights must fail, not skip
        pytest.skip(f"the package {pin.package} is not installed")
    assert found.name == pin.model
    other = ModelPin(**{**pin.model_dump(), "sha256": "0" * 64})
    with pytest.raises(models.Unavailable) as refused:
        models.find_weights(other)
    assert refused.value.reason == "other-weights"


def test_the_catalog_loads_and_its_checks_are_known() -> None:
    """Every check a suite names exists and accepts its params, and its data are where it says."""
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
            found = find_declared_type(dimension.check)
            judged += found.names_specs
            assert params_problem(found.params, dimension.check.params) is None
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
    assert read(tmp_path / "one.gz") == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.gz", "two.gz"]


def test_the_nearest_examples_come_last() -> None:
    """An application that picks its examples shows the one most like the question at the end."""
    release = demo_recording.read_releases(demo_recording.CATALOG)["nl2sql"][0]
    chat = release.build_messages("How many customers live in Graz?", "customers(city)")
    assert release.nearest == 4
    assert [turn["role"] for turn in chat] == ["system", *["user", "assistant"] * 4, "user"]
    assert "How many customers live in Oslo?" in chat[-3]["content"]
    assert "customers(city)" in chat[0]["content"]
