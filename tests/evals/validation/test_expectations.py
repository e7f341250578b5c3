"""Promises of the validation: each kind of bad row is refused by its check, and no other."""

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
    """Opens an empty home."""
    return Lake(tmp_path).open()


def build_trace(number: int, **changes: Any) -> Trace:
    """Builds a valid trace; the number is its id, line and content."""
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
    """A night's rows after validation, by their lines."""

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
    """Stages rows of one or more files, in the order of the files' first rows."""
    files = itertools.groupby(traces, key=lambda row: row.source_file)
    for name, own in files:
        sha = name.encode().hex().ljust(16, "0")[:16] + "0" * 48
        present = read_inbox_files(lake)
        add_inbox_files(lake, [InboxFile(sha, name, "jsonl", 1, 1, 0, [], 0, len(present))])
        lake.write("staged", night, list(own), sha[:16])


def validate(lake: Lake, *traces: Trace, app: App = APP, day_begins: int = 0) -> Validated:
    """Validates the traces as one night."""
    stage(lake, *traces)
    catalog = Catalog(root=lake.home, apps={"chat": app}, day_begins=day_begins)
    account = admission.admit_nights(lake, catalog, [NIGHT])[NIGHT]["chat"]
    return Validated(lake, NIGHT, account, len(traces))


def list_failed_checks(validated: Validated) -> dict[str, int]:
    """Lists the checks that failed, with how many rows failed each."""
    return {r["name"]: r["unexpected_count"] for r in validated.results if not r["success"]}


EMPTY_ROW: dict[str, Any] = {"input": "", "output": "", "status": "empty"}
BAD_ROWS = {
    "trace_id_length": ("bad-trace-id", {"trace_id": "x" * 257}),
    "trace_id_printable": ("bad-trace-id", {"trace_id": "t\n"}),
    "ts_in_night": ("wrong-night", {"ts": datetime(2026, 10, 2, tzinfo=UTC)}),
    "request_present": ("no-request", EMPTY_ROW),
    "input_length": ("input-too-long", {"input": "x" * 51}),
    "output_length": ("output-too-long", {"output": "x" * 61}),
    "tokens_in_not_negative": ("negative-tokens", {"tokens_in": -1}),
    "tokens_out_not_negative": ("negative-tokens", {"tokens_out": -1}),
    "latency_ms_not_negative": ("negative-latency", {"latency_ms": -0.5}),
    "cost_usd_not_negative": ("negative-cost", {"cost_usd": -1e-9}),
    "trace_id_unique": ("conflicting-trace-id", {"trace_id": "t-1"}),
}


NEVER_STAGED = {"trace_id_present", "ts_present", "app_present", "app_named"}
"""No row that fails these is staged under a night and an application."""


@pytest.mark.parametrize("name", BAD_ROWS)
def test_each_kind_of_bad_row_is_refused_by_its_check(lake: Lake, name: str) -> None:
    """The row is refused with its own code, and the valid rows around it are accepted."""
    code, change = BAD_ROWS[name]
    validated = validate(lake, build_trace(1), build_trace(2, **change), build_trace(3))
    assert [(row.source_line, row.code) for row in validated.refused] == [(2, code)]
    assert validated.accepted == [1, 3]
    assert {
        check: n for check, n in list_failed_checks(validated).items() if check in BAD_ROWS
    } == {name: 1}
    check = next(check for check in CHECKS if check.check == name)
    assert validated.refused[0].reason == check.reason


def test_every_check_has_a_bad_row_here() -> None:
    """A check that no bad row here exercises fails this test."""
    assert (
        set(BAD_ROWS)
        == {check.check for check in CHECKS if check.severity == "critical"} - NEVER_STAGED
    )


def test_values_at_the_limit_and_nulls_pass(lake: Lake) -> None:
    """Limits are inclusive, nulls are no values, and steps may replace an empty output."""
    rows = (
        build_trace(1, input="x" * 50, output="x" * 60, trace_id="x" * 256),
        build_trace(2, tokens_in=0, tokens_out=0, latency_ms=0.0, cost_usd=0.0),
        build_trace(3, output="", steps=({"tool": "search"},)),
        build_trace(4, ts=datetime(2026, 10, 1, tzinfo=UTC)),
        build_trace(5, ts=datetime(2026, 10, 1, 23, 59, 59, 999_999, UTC)),
        build_trace(6, trace_id="../<script>"),
    )
    validated = validate(lake, *rows)
    assert validated.accepted == [1, 2, 3, 4, 5, 6]
    assert list_failed_checks(validated) == {}
    counts = [
        r["element_count"] for r in validated.results if r["name"] in {c.check for c in CHECKS}
    ]
    assert counts == [len(rows)] * len(CHECKS)


ODD_ROWS = {
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


@pytest.mark.parametrize("name", ODD_ROWS)
def test_a_warning_refuses_nothing(lake: Lake, name: str) -> None:
    """An odd row is reported with its trace id, and accepted."""
    validated = validate(lake, build_trace(1, **ODD_ROWS[name]), build_trace(2))
    assert validated.accepted == [1, 2]
    (warning,) = [result for result in validated.results if not result["success"]]
    assert (warning["name"], warning["severity"], warning["examples"]) == (name, "warning", ["t-1"])


def test_a_night_begins_at_its_hour(lake: Lake) -> None:
    """The same time belongs to another night where days begin later."""
    early = build_trace(1, ts=datetime(2026, 10, 2, 3, 59, tzinfo=UTC))
    assert validate(lake, early, day_begins=4).accepted == [1]
    other = Lake(lake.home / "other").open()
    assert [row.code for row in validate(other, early, day_begins=3).refused] == ["wrong-night"]


def test_the_same_content_is_one_trace(lake: Lake) -> None:
    """The first copy by file and line is accepted; the others are duplicates and not refused."""
    rows = [
        build_trace(9, source_file="a.jsonl", content_hash="same", trace_id="t"),
        build_trace(10, source_file="a.jsonl", content_hash="same", trace_id="t"),
        build_trace(1, source_file="b.jsonl", content_hash="same", trace_id="t"),
        build_trace(4, content_hash="same"),
    ]
    validated = validate(lake, *rows)
    assert (validated.accepted, validated.account["duplicate"], validated.refused) == (
        [4, 9],
        2,
        [],
    )
    assert list_failed_checks(validated) == {}


def test_of_two_contents_under_one_id_the_first_is_accepted(lake: Lake, tmp_path: Path) -> None:
    """Where the first is refused for another reason, the next one is accepted."""
    validated = validate(
        lake,
        build_trace(1, trace_id="t"),
        build_trace(2, trace_id="t"),
        build_trace(3, trace_id="t"),
    )
    assert validated.accepted == [1]
    assert {row.code for row in validated.refused} == {"conflicting-trace-id"}
    assert list_failed_checks(validated) == {"trace_id_unique": 2}
    other = Lake(tmp_path / "other").open()
    validated = validate(
        other, build_trace(1, trace_id="t", tokens_in=-1), build_trace(2, trace_id="t")
    )
    assert validated.accepted == [2]
    assert [(row.source_line, row.code) for row in validated.refused] == [(1, "negative-tokens")]
    assert list_failed_checks(validated) == {"tokens_in_not_negative": 1}


ENDINGS: list[dict[str, Any]] = [
    {"output": "", "status": "empty"},
    {"output": "", "status": "timeout"},
    {"output": "Half an ans", "status": "error"},
]


@pytest.mark.parametrize("change", ENDINGS, ids=lambda change: str(change["status"]))
def test_a_row_without_an_answer_never_replaces_one_with_an_answer(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Whichever is read first, in one file or in two, it is a duplicate and not refused."""
    orders = [(1, 2), (2, 1)]
    for n, (order, file) in enumerate(itertools.product(orders, ("day.jsonl", "later.jsonl"))):
        home = Lake(tmp_path / f"{n}").open()
        rows = {
            1: build_trace(1, trace_id="t", output="a"),
            2: build_trace(2, trace_id="t", **change),
        }
        first, second = (rows[number] for number in order)
        second = replace(second, source_file=file, source_line=3)
        validated = validate(home, first, second)
        assert [row.output for row in validated.rows] == ["a"]
        assert (validated.refused, validated.account["duplicate"]) == ([], 1)


def test_of_two_rows_without_an_answer_the_later_file_counts(lake: Lake) -> None:
    """The order is that of rows with an answer."""
    rows = [
        build_trace(1, source_file="a.jsonl", trace_id="t", output="", status="empty"),
        build_trace(2, source_file="b.jsonl", trace_id="t", output="", status="timeout"),
    ]
    validated = validate(lake, *rows)
    assert (validated.accepted, validated.account["corrected"]) == ([2], 1)


def test_a_later_file_corrects_an_earlier_one(lake: Lake) -> None:
    """Its row is accepted; the earlier one is a corrected duplicate and not refused."""
    rows = [
        build_trace(1, source_file="a.jsonl", trace_id="t"),
        build_trace(2, source_file="a.jsonl"),
        build_trace(3, source_file="b.jsonl", trace_id="t"),
    ]
    validated = validate(lake, *rows)
    assert (validated.accepted, validated.refused) == ([2, 3], [])
    assert (validated.account["duplicate"], validated.account["corrected"]) == (1, 1)


def test_an_invalid_correction_corrects_nothing(lake: Lake) -> None:
    """The row before it remains accepted."""
    rows = [
        build_trace(1, source_file="a.jsonl", trace_id="t"),
        build_trace(2, source_file="b.jsonl", trace_id="t", tokens_in=-1),
    ]
    validated = validate(lake, *rows)
    assert (validated.accepted, [row.code for row in validated.refused]) == (
        [1],
        ["negative-tokens"],
    )
    assert validated.account["corrected"] == 0


def test_a_row_is_refused_once_for_its_first_reason(lake: Lake) -> None:
    """However many checks it fails, it is refused once, and each of them counts it."""
    validated = validate(lake, build_trace(1, tokens_in=-1, cost_usd=-1.0, **EMPTY_ROW))
    assert [row.code for row in validated.refused] == ["no-request"]
    assert set(list_failed_checks(validated)) == {
        "request_present",
        "output_not_empty",
        "input_not_empty",
        "tokens_in_not_negative",
        "cost_usd_not_negative",
    }


def test_too_many_refused_rows_refuse_the_night(lake: Lake, tmp_path: Path) -> None:
    """The night is refused above the application's share, and not at it."""
    app = App(app="chat", validation=Validation(max_quarantined=0.25))
    rows = [build_trace(n) for n in range(3)]
    at_limit = validate(lake, *rows, build_trace(3, **EMPTY_ROW), app=app)
    assert at_limit.account["refused"] is None
    other = Lake(tmp_path / "other").open()
    above = validate(other, *rows[:2], build_trace(3, **EMPTY_ROW), app=app)
    assert "1 of 3 rows (33%)" in above.account["refused"]
    assert "apps/chat.yaml" in above.account["refused"]
    assert above.rows == []


def test_results_are_plain_json(lake: Lake) -> None:
    """No value of numpy or pandas is in the stored results."""
    validated = validate(lake, *(build_trace(n, output="", tokens_in=-1) for n in range(5)))
    assert json.loads(json.dumps(validated.results)) == validated.results
    empty_output = next(
        result for result in validated.results if result["name"] == "output_not_empty"
    )
    assert (empty_output["unexpected_count"], empty_output["examples"]) == (
        5,
        ["t-0", "t-1", "t-2"],
    )


def test_turns_are_counted_over_midnight(lake: Lake) -> None:
    """A session belongs to the night of its first turn, in order, for a day at most."""
    late = [
        build_trace(
            n, session_id="s", ts=datetime(2026, 10, 1, 20, tzinfo=UTC) + timedelta(hours=h)
        )
        for n, h in enumerate((0, 5, 25))
    ]
    stage(lake, late[0], build_trace(7))
    stage(lake, *(replace(row, source_file="next.jsonl") for row in late[1:]),
          night=NIGHT + timedelta(days=1))  # fmt: skip
    nights = [NIGHT, NIGHT + timedelta(days=1)]
    admission.admit_nights(lake, Catalog(root=lake.home, apps={"chat": APP}), nights)
    turns = [(row.trace_id, row.turn) for row in lake.read("traces", [NIGHT])]
    assert sorted(turns) == [("t-0", 1), ("t-1", 2), ("t-7", None)]
    assert [row.trace_id for row in lake.read("traces", nights[1:])] == ["t-2"]


kinds = st.sampled_from(["good", "copy", "no-request", "negative", "conflict"])


def build_rows(night: date, plan: list[str]) -> list[Trace]:
    """Builds a night's rows of the given kinds."""
    at = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    changes: dict[str, dict[str, Any]] = {
        "good": {},
        "copy": {"trace_id": "same", "content_hash": "same"},
        "no-request": EMPTY_ROW,
        "negative": {"tokens_in": -1},
        "conflict": {"trace_id": "shared"},
    }
    return [build_trace(n, ts=at, **changes[kind]) for n, kind in enumerate(plan)]


@settings(max_examples=4)
@given(plans=st.lists(st.lists(kinds, min_size=1, max_size=6), min_size=1, max_size=4))
def test_many_nights_at_once_are_validated_as_each_alone(
    tmp_path_factory: pytest.TempPathFactory, plans: list[list[str]]
) -> None:
    """One bad night changes nothing about the others, and every row is accounted for."""
    lakes = [Lake(tmp_path_factory.mktemp("home")).open() for _ in range(2)]
    nights = {NIGHT + timedelta(days=n): plan for n, plan in enumerate(plans)}
    catalog = Catalog(root=lakes[0].home, apps={"chat": APP})
    for lake in lakes:
        for night, plan in nights.items():
            stage(lake, *build_rows(night, plan), night=night)
    together = admission.admit_nights(lakes[0], catalog, list(nights))
    for night, plan in nights.items():
        account = together[night]["chat"]
        assert account == admission.admit_nights(lakes[1], catalog, [night])[night]["chat"]
        bad = plan.count("no-request") + plan.count("negative") + max(plan.count("conflict") - 1, 0)
        assert account["quarantined"] == bad
        assert account["duplicate"] == max(plan.count("copy") - 1, 0)
        assert account["accepted"] == len(plan) - bad - account["duplicate"]
