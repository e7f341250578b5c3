"""What the checks at the door promise: each kind of bad row refused, by name, and no other."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.records import Refusal, Trace
from evals.specs import App, Catalog, Validation
from evals.specs.validation import shipped_expectations
from evals.storage.documents.inbox_files import InboxFile, add_inbox_files, read_inbox_files
from evals.storage.lake import Lake
from evals.validation import admission, quarantine

NIGHT = date(2026, 10, 1)
APP = App(
    app="chat",
    validation=Validation(max_quarantined=1, max_input_chars=50, max_output_chars=60),
)
CHECKS = [check for check in shipped_expectations() if check.over == "rows"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty home."""
    return Lake(tmp_path).open()


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


class Validated:
    """A night's rows at the door, by their lines."""

    def __init__(self, lake: Lake, night: date, account: dict[str, Any], read: int) -> None:
        self.account, self.results = account, account["checks"]
        self.rows = list(lake.read("traces", [night]))
        self.accepted = sorted(t.source_line for t in self.rows)
        refused = [row for row in quarantine.read_refusals(lake) if row.night == night]
        self.refused: list[Refusal] = sorted(refused, key=lambda row: row.source_line)
        assert account["read"] == read
        parts = ("accepted", "duplicate", "quarantined")
        assert read == sum(account[part] for part in parts)
        for counts in account["files"].values():
            assert counts["read"] == sum(counts[part] for part in parts)


def stage(lake: Lake, *traces: Trace, night: date = NIGHT) -> None:
    """Rows of one or more files, staged in the order of the files' first rows."""
    files = itertools.groupby(traces, key=lambda row: row.source_file)
    for name, own in files:
        sha = name.encode().hex().ljust(16, "0")[:16] + "0" * 48
        known = read_inbox_files(lake)
        add_inbox_files(lake, [InboxFile(sha, name, "jsonl", 1, 1, 0, [], 0, len(known))])
        lake.write("staged", night, list(own), sha[:16])


def validated(lake: Lake, *traces: Trace, app: App = APP, day_begins: int = 0) -> Validated:
    """The traces as a night, accounted for."""
    stage(lake, *traces)
    catalog = Catalog(root=lake.home, apps={"chat": app}, day_begins=day_begins)
    account = admission.admit_nights(lake, catalog, [NIGHT])[NIGHT]["chat"]
    return Validated(lake, NIGHT, account, len(traces))


def failed(found: Validated) -> dict[str, int]:
    """The checks that did not hold, with how many rows failed each."""
    return {r["name"]: r["unexpected_count"] for r in found.results if not r["success"]}


NOTHING: dict[str, Any] = {"input": "", "output": "", "status": "empty"}
BAD = {
    "trace_id_length": ("bad-trace-id", {"trace_id": "x" * 257}),
    "trace_id_printable": ("bad-trace-id", {"trace_id": "t\n"}),
    "ts_in_night": ("wrong-night", {"ts": datetime(2026, 10, 2, tzinfo=UTC)}),
    "request_present": ("no-request", NOTHING),
    "input_length": ("input-too-long", {"input": "x" * 51}),
    "output_length": ("output-too-long", {"output": "x" * 61}),
    "tokens_in_not_negative": ("negative-tokens", {"tokens_in": -1}),
    "tokens_out_not_negative": ("negative-tokens", {"tokens_out": -1}),
    "latency_ms_not_negative": ("negative-latency", {"latency_ms": -0.5}),
    "cost_usd_not_negative": ("negative-cost", {"cost_usd": -1e-9}),
    "trace_id_unique": ("conflicting-trace-id", {"trace_id": "t-1"}),
}


CANNOT = {"trace_id_present", "ts_present", "app_present", "app_named"}
"""No row that fails these is staged under a night and an application."""


@pytest.mark.parametrize("name", BAD)
def test_each_kind_of_bad_row_is_refused_by_its_check(lake: Lake, name: str) -> None:
    """With its own code; the valid rows around it are accepted."""
    code, change = BAD[name]
    found = validated(lake, trace(1), trace(2, **change), trace(3))
    assert [(row.source_line, row.code) for row in found.refused] == [(2, code)]
    assert found.accepted == [1, 3]
    assert {check: n for check, n in failed(found).items() if check in BAD} == {name: 1}
    check = next(check for check in CHECKS if check.check == name)
    assert found.refused[0].reason == check.reason


def test_every_check_has_a_bad_row_here() -> None:
    """A check that refuses nothing would be noticed."""
    assert set(BAD) == {check.check for check in CHECKS if check.severity == "critical"} - CANNOT


def test_what_is_at_the_limit_or_unknown_passes(lake: Lake) -> None:
    """Limits are inclusive, nulls are unknown, and steps answer where the output is empty."""
    rows = (
        trace(1, input="x" * 50, output="x" * 60, trace_id="x" * 256),
        trace(2, tokens_in=0, tokens_out=0, latency_ms=0.0, cost_usd=0.0),
        trace(3, output="", steps=({"tool": "search"},)),
        trace(4, ts=datetime(2026, 10, 1, tzinfo=UTC)),
        trace(5, ts=datetime(2026, 10, 1, 23, 59, 59, 999_999, UTC)),
        trace(6, trace_id="../<script>"),
    )
    found = validated(lake, *rows)
    assert found.accepted == [1, 2, 3, 4, 5, 6]
    assert failed(found) == {}
    counts = [r["element_count"] for r in found.results if r["name"] in {c.check for c in CHECKS}]
    assert counts == [len(rows)] * len(CHECKS)


WARNED = {
    "output_present": {"output": None, "steps": ({"tool": "x"},)},
    "output_not_empty": {"output": "", "status": "empty"},
    "input_not_empty": {"input": ""},
    "zone_known": {"metadata": {"ts_zone": "assumed-utc"}},
    "model_pinned": {"model_requested": "gpt-4o-latest"},
    "tool_results_called": {
        "messages": (
            {"role": "assistant", "tool_calls": [{"id": "a"}]},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "tool_call_id": "b", "content": "2"},
        )
    },
    "tokens_plausible": {"tokens_out": 10**6 + 1},
    "latency_plausible": {"latency_ms": 3.7e6},
}


@pytest.mark.parametrize("name", WARNED)
def test_a_warning_refuses_nothing(lake: Lake, name: str) -> None:
    """What is odd is told, with its trace, and the row goes on."""
    found = validated(lake, trace(1, **WARNED[name]), trace(2))
    assert found.accepted == [1, 2]
    (told,) = [result for result in found.results if not result["success"]]
    assert (told["name"], told["severity"], told["examples"]) == (name, "warning", ["t-1"])


def test_a_night_begins_at_its_hour(lake: Lake) -> None:
    """The same moment belongs to another night where days begin later."""
    early = trace(1, ts=datetime(2026, 10, 2, 3, 59, tzinfo=UTC))
    assert validated(lake, early, day_begins=4).accepted == [1]
    other = Lake(lake.home / "other").open()
    assert [row.code for row in validated(other, early, day_begins=3).refused] == ["wrong-night"]


def test_the_same_content_is_one_trace(lake: Lake) -> None:
    """The copy read first, by file and line, is kept; the others are duplicates, not refused."""
    rows = [
        trace(9, source_file="a.jsonl", content_hash="same", trace_id="t"),
        trace(10, source_file="a.jsonl", content_hash="same", trace_id="t"),
        trace(1, source_file="b.jsonl", content_hash="same", trace_id="t"),
        trace(4, content_hash="same"),
    ]
    found = validated(lake, *rows)
    assert (found.accepted, found.account["duplicate"], found.refused) == ([4, 9], 2, [])
    assert failed(found) == {}


def test_of_two_contents_under_one_id_the_first_is_kept(lake: Lake, tmp_path: Path) -> None:
    """And where the first is refused for another reason, the next one is."""
    found = validated(lake, trace(1, trace_id="t"), trace(2, trace_id="t"), trace(3, trace_id="t"))
    assert found.accepted == [1]
    assert {row.code for row in found.refused} == {"conflicting-trace-id"}
    assert failed(found) == {"trace_id_unique": 2}
    other = Lake(tmp_path / "other").open()
    found = validated(other, trace(1, trace_id="t", tokens_in=-1), trace(2, trace_id="t"))
    assert found.accepted == [2]
    assert [(row.source_line, row.code) for row in found.refused] == [(1, "negative-tokens")]
    assert failed(found) == {"tokens_in_not_negative": 1}


ENDINGS: list[dict[str, Any]] = [
    {"output": "", "status": "empty"},
    {"output": "", "status": "timeout"},
    {"output": "Half an ans", "status": "error"},
]


@pytest.mark.parametrize("ended", ENDINGS, ids=lambda ended: str(ended["status"]))
def test_a_row_without_an_answer_replaces_none_that_has_one(
    tmp_path: Path, ended: dict[str, Any]
) -> None:
    """Whichever is read first, in one file or in two: it is a duplicate, and not refused."""
    orders = [(1, 2), (2, 1)]
    for n, (order, file) in enumerate(itertools.product(orders, ("day.jsonl", "later.jsonl"))):
        home = Lake(tmp_path / f"{n}").open()
        rows = {1: trace(1, trace_id="t", output="a"), 2: trace(2, trace_id="t", **ended)}
        first, second = (rows[number] for number in order)
        second = replace(second, source_file=file, source_line=3)
        found = validated(home, first, second)
        assert [row.output for row in found.rows] == ["a"]
        assert (found.refused, found.account["duplicate"]) == ([], 1)


def test_of_two_rows_without_an_answer_the_later_file_counts(lake: Lake) -> None:
    """As among rows with one."""
    rows = [
        trace(1, source_file="a.jsonl", trace_id="t", output="", status="empty"),
        trace(2, source_file="b.jsonl", trace_id="t", output="", status="timeout"),
    ]
    found = validated(lake, *rows)
    assert (found.accepted, found.account["corrected"]) == ([2], 1)


def test_a_later_file_corrects_an_earlier_one(lake: Lake) -> None:
    """Its row stands; the one before is a duplicate that was corrected, and nobody's fault."""
    rows = [
        trace(1, source_file="a.jsonl", trace_id="t"),
        trace(2, source_file="a.jsonl"),
        trace(3, source_file="b.jsonl", trace_id="t"),
    ]
    found = validated(lake, *rows)
    assert (found.accepted, found.refused) == ([2, 3], [])
    assert (found.account["duplicate"], found.account["corrected"]) == (1, 1)


def test_a_correction_that_is_no_valid_row_corrects_nothing(lake: Lake) -> None:
    """The row before it stands."""
    rows = [
        trace(1, source_file="a.jsonl", trace_id="t"),
        trace(2, source_file="b.jsonl", trace_id="t", tokens_in=-1),
    ]
    found = validated(lake, *rows)
    assert (found.accepted, [row.code for row in found.refused]) == ([1], ["negative-tokens"])
    assert found.account["corrected"] == 0


def test_a_row_is_refused_once_for_its_first_reason(lake: Lake) -> None:
    """However many checks it fails; each of them counts it."""
    found = validated(lake, trace(1, tokens_in=-1, cost_usd=-1.0, **NOTHING))
    assert [row.code for row in found.refused] == ["no-request"]
    assert set(failed(found)) == {
        "request_present",
        "output_not_empty",
        "input_not_empty",
        "tokens_in_not_negative",
        "cost_usd_not_negative",
    }


def test_too_many_refused_rows_refuse_the_night(lake: Lake, tmp_path: Path) -> None:
    """Above the application's share, not at it."""
    app = App(app="chat", validation=Validation(max_quarantined=0.25))
    rows = [trace(n) for n in range(3)]
    at_limit = validated(lake, *rows, trace(3, **NOTHING), app=app)
    assert at_limit.account["refused"] is None
    other = Lake(tmp_path / "other").open()
    above = validated(other, *rows[:2], trace(3, **NOTHING), app=app)
    assert "1 of 3 rows (33%)" in above.account["refused"]
    assert "apps/chat.yaml" in above.account["refused"]
    assert above.rows == []


def test_results_are_plain_json(lake: Lake) -> None:
    """No value of numpy or pandas leaks into what is stored and shown."""
    found = validated(lake, *(trace(n, output="", tokens_in=-1) for n in range(5)))
    assert json.loads(json.dumps(found.results)) == found.results
    told = next(result for result in found.results if result["name"] == "output_not_empty")
    assert (told["unexpected_count"], told["examples"]) == (5, ["t-0", "t-1", "t-2"])


def test_turns_are_counted_over_midnight(lake: Lake) -> None:
    """A session belongs to the night of its first turn, in order, for a day at most."""
    late = [
        trace(n, session_id="s", ts=datetime(2026, 10, 1, 20, tzinfo=UTC) + timedelta(hours=h))
        for n, h in enumerate((0, 5, 25))
    ]
    stage(lake, late[0], trace(7))
    stage(lake, *(replace(row, source_file="next.jsonl") for row in late[1:]),
          night=NIGHT + timedelta(days=1))  # fmt: skip
    nights = [NIGHT, NIGHT + timedelta(days=1)]
    admission.admit_nights(lake, Catalog(root=lake.home, apps={"chat": APP}), nights)
    told = [(row.trace_id, row.turn) for row in lake.read("traces", [NIGHT])]
    assert sorted(told) == [("t-0", 1), ("t-1", 2), ("t-7", None)]
    assert [row.trace_id for row in lake.read("traces", nights[1:])] == ["t-2"]


kinds = st.sampled_from(["good", "copy", "no-request", "negative", "conflict"])


def made(night: date, plan: list[str]) -> list[Trace]:
    """A night's rows of the kinds asked for."""
    at = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    changes: dict[str, dict[str, Any]] = {
        "good": {},
        "copy": {"trace_id": "same", "content_hash": "same"},
        "no-request": NOTHING,
        "negative": {"tokens_in": -1},
        "conflict": {"trace_id": "shared"},
    }
    return [trace(n, ts=at, **changes[kind]) for n, kind in enumerate(plan)]


@settings(max_examples=8, deadline=None)
@given(plans=st.lists(st.lists(kinds, min_size=1, max_size=6), min_size=1, max_size=4))
def test_many_nights_at_once_are_as_each_alone(
    tmp_path_factory: pytest.TempPathFactory, plans: list[list[str]]
) -> None:
    """One bad night changes nothing about the others, and every row is accounted for."""
    lakes = [Lake(tmp_path_factory.mktemp("home")).open() for _ in range(2)]
    nights = {NIGHT + timedelta(days=n): plan for n, plan in enumerate(plans)}
    catalog = Catalog(root=lakes[0].home, apps={"chat": APP})
    for lake in lakes:
        for night, plan in nights.items():
            stage(lake, *made(night, plan), night=night)
    together = admission.admit_nights(lakes[0], catalog, list(nights))
    for night, plan in nights.items():
        account = together[night]["chat"]
        assert account == admission.admit_nights(lakes[1], catalog, [night])[night]["chat"]
        bad = plan.count("no-request") + plan.count("negative") + max(plan.count("conflict") - 1, 0)
        assert account["quarantined"] == bad
        assert account["duplicate"] == max(plan.count("copy") - 1, 0)
        assert account["accepted"] == len(plan) - bad - account["duplicate"]
