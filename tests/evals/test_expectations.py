"""What the checks at the door promise: each kind of bad row refused, by name, and no other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.door.expectations import CHECKS, Validated, validate, validate_nights
from evals.lake import to_table
from evals.records import Trace
from evals.specs import App, Validation

NIGHT = date(2026, 10, 1)
APP = App(
    app="chat",
    validation=Validation(max_quarantined=1, max_input_chars=50, max_output_chars=60),
)


def trace(number: int, **changes: Any) -> Trace:
    """A valid trace, the number its id, line and content."""
    plain = Trace(
        trace_id=f"t-{number}",
        ts=datetime(2026, 10, 1, 12, tzinfo=UTC),
        app="chat",
        input="Hi?",
        output="Hello.",
        source_file="day.jsonl",
        source_line=number,
        content_hash=f"hash-{number}",
    )
    return replace(plain, **changes)


def frame(*traces: Trace) -> pandas.DataFrame:
    """The lake's staged rows."""
    return to_table(Trace, traces).to_pandas()


def validated(*traces: Trace, app: App = APP, **options: Any) -> Validated:
    """The traces as a night, accounted for."""
    found = validate(frame(*traces), app, NIGHT, 0, **options)
    positions = [*found.accepted, *(row.row for row in found.refused), *found.duplicates]
    assert sorted(positions) == list(range(len(traces)))
    return found


def failed(found: Validated) -> dict[str, int]:
    """The checks that did not hold, with how many rows failed each."""
    return {r["name"]: r["unexpected_count"] for r in found.results if not r["success"]}


BAD = {
    "trace_id_present": ("no-trace-id", {"trace_id": None}),
    "trace_id_length": ("bad-trace-id", {"trace_id": "x" * 257}),
    "trace_id_printable": ("bad-trace-id", {"trace_id": "t\n"}),
    "ts_present": ("no-timestamp", {"ts": None}),
    "ts_in_night": ("wrong-night", {"ts": datetime(2026, 10, 2, tzinfo=UTC)}),
    "app_present": ("no-app", {"app": None}),
    "app_named": ("wrong-app", {"app": "chat\n"}),
    "output_present": ("no-output", {"output": None, "steps": ({"tool": "x"},)}),
    "output_not_empty": ("no-output", {"output": ""}),
    "input_length": ("input-too-long", {"input": "x" * 51}),
    "output_length": ("output-too-long", {"output": "x" * 61}),
    "tokens_in_not_negative": ("negative-tokens", {"tokens_in": -1}),
    "tokens_out_not_negative": ("negative-tokens", {"tokens_out": -1}),
    "latency_ms_not_negative": ("negative-latency", {"latency_ms": -0.5}),
    "cost_usd_not_negative": ("negative-cost", {"cost_usd": -1e-9}),
    "trace_id_unique": ("conflicting-trace-id", {"trace_id": "t-1"}),
}


@pytest.mark.parametrize("name", BAD)
def test_each_kind_of_bad_row_is_refused_by_its_check(name: str) -> None:
    """With its own code; the valid rows around it are accepted."""
    code, change = BAD[name]
    found = validated(trace(1), trace(2, **change), trace(3))
    assert [(row.row, row.code) for row in found.refused] == [(1, code)]
    assert found.accepted == [0, 2]
    assert failed(found) == {name: 1}
    check = next(check for check in CHECKS if check.name == name)
    assert found.refused[0].reason == check.reason


def test_every_check_has_a_bad_row_here() -> None:
    """A check that refuses nothing would be noticed."""
    assert set(BAD) == {check.name for check in CHECKS if check.severity == "critical"}
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_what_is_at_the_limit_or_unknown_passes() -> None:
    """Limits are inclusive, nulls are unknown, and steps answer where the output is empty."""
    rows = (
        trace(1, input="x" * 50, output="x" * 60, trace_id="x" * 256),
        trace(2, tokens_in=0, tokens_out=0, latency_ms=0.0, cost_usd=0.0),
        trace(3, output="", steps=({"tool": "search"},)),
        trace(4, ts=datetime(2026, 10, 1, tzinfo=UTC)),
        trace(5, ts=datetime(2026, 10, 1, 23, 59, 59, 999_999, UTC)),
        trace(6, trace_id="../<script>"),
    )
    found = validated(*rows)
    assert found.accepted == list(range(len(rows)))
    assert failed(found) == {}
    assert [result["element_count"] for result in found.results] == [len(rows)] * len(CHECKS)


def test_a_warning_refuses_nothing() -> None:
    """An empty input is told, with its trace, and the row goes on."""
    found = validated(trace(1, input=""), trace(2))
    assert found.accepted == [0, 1]
    (told,) = [result for result in found.results if not result["success"]]
    assert (told["severity"], told["examples"]) == ("warning", ["t-1"])


def test_a_night_begins_at_its_hour() -> None:
    """The same moment belongs to another night where days begin later."""
    early = frame(trace(1, ts=datetime(2026, 10, 2, 3, 59, tzinfo=UTC)))
    assert validate(early, APP, NIGHT, 4).accepted == [0]
    assert [row.code for row in validate(early, APP, NIGHT, 3).refused] == ["wrong-night"]


def test_the_same_content_is_one_trace() -> None:
    """The copy read first, by file and line, is kept; the others are duplicates, not refused."""
    rows = [
        trace(1, source_file="b.jsonl", content_hash="same", trace_id="t"),
        trace(2, source_file="a.jsonl", content_hash="same", trace_id="t", source_line=9),
        trace(3, source_file="a.jsonl", content_hash="same", trace_id="t", source_line=10),
        trace(4, content_hash="same"),
    ]
    found = validated(*rows)
    assert (found.accepted, found.duplicates, found.refused) == ([1, 3], [0, 2], [])
    assert failed(found) == {}


def test_of_two_contents_under_one_id_the_first_is_kept() -> None:
    """And where the first is refused for another reason, the next one is."""
    found = validated(trace(2, trace_id="t"), trace(1, trace_id="t"), trace(3, trace_id="t"))
    assert found.accepted == [1]
    assert {row.code for row in found.refused} == {"conflicting-trace-id"}
    assert failed(found) == {"trace_id_unique": 2}
    found = validated(trace(1, trace_id="t", output=""), trace(2, trace_id="t"))
    assert found.accepted == [1]
    assert [(row.row, row.code) for row in found.refused] == [(0, "no-output")]
    assert failed(found) == {"output_not_empty": 1}


def test_a_row_is_refused_once_for_its_first_reason() -> None:
    """However many checks it fails; each of them counts it."""
    found = validated(trace(1, tokens_in=-1, cost_usd=-1.0, output=""))
    assert [row.code for row in found.refused] == ["no-output"]
    assert set(failed(found)) == {
        "output_not_empty",
        "tokens_in_not_negative",
        "cost_usd_not_negative",
    }


def test_too_many_refused_rows_refuse_the_night() -> None:
    """Above the application's share, not at it; rows refused before it count too."""
    app = App(app="chat", validation=Validation(max_quarantined=0.25))
    rows = [trace(n) for n in range(3)]
    at_limit = validated(*rows, trace(3, output=""), app=app)
    assert at_limit.night_refused is None
    above = validated(*rows[:2], trace(3, output=""), app=app)
    assert above.night_refused is not None
    assert "1 of 3 rows (33%)" in above.night_refused
    assert "apps/chat.yaml" in above.night_refused
    before = validated(*rows, app=app, refused_before=2)
    assert before.refused == []
    assert before.night_refused is not None
    assert "2 of 5 rows (40%)" in before.night_refused


def test_a_night_without_rows_is_not_refused() -> None:
    """Nothing to check is nothing refused."""
    found = validated()
    assert (found.accepted, found.refused, found.night_refused) == ([], [], None)
    assert [result["element_count"] for result in found.results] == [0] * len(CHECKS)


def test_results_are_plain_json() -> None:
    """No value of numpy or pandas leaks into what is stored and shown."""
    found = validated(*(trace(n, output="", tokens_in=-1) for n in range(5)))
    assert json.loads(json.dumps(found.results)) == found.results
    told = next(result for result in found.results if result["name"] == "output_not_empty")
    assert (told["unexpected_count"], told["examples"]) == (5, ["t-0", "t-1", "t-2"])
    assert all(type(row) is int for row in [*found.accepted, *(r.row for r in found.refused)])


kinds = st.sampled_from(["good", "copy", "no-output", "negative", "conflict"])


def made(night: date, plan: list[str]) -> list[Trace]:
    """A night's rows of the kinds asked for."""
    at = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    changes: dict[str, dict[str, Any]] = {
        "good": {},
        "copy": {"trace_id": "same", "content_hash": "same"},
        "no-output": {"output": ""},
        "negative": {"tokens_in": -1},
        "conflict": {"trace_id": "shared"},
    }
    return [trace(n, ts=at, **changes[kind]) for n, kind in enumerate(plan)]


@settings(max_examples=8, deadline=None)
@given(plans=st.lists(st.lists(kinds, max_size=6), min_size=1, max_size=4))
def test_many_nights_at_once_are_as_each_alone(plans: list[list[str]]) -> None:
    """One bad night changes nothing about the others, and every row is accounted for."""
    nights = {NIGHT + timedelta(days=n): plan for n, plan in enumerate(plans)}
    frames = {night: frame(*made(night, plan)) for night, plan in nights.items()}
    together = validate_nights(frames, APP, 0)
    for night, plan in nights.items():
        found = together[night]
        assert found == validate(frames[night], APP, night, 0)
        bad = plan.count("no-output") + plan.count("negative") + max(plan.count("conflict") - 1, 0)
        assert len(found.refused) == bad
        assert len(found.duplicates) == max(plan.count("copy") - 1, 0)
        assert len(found.accepted) == len(plan) - bad - len(found.duplicates)
