"""Promises of the review queue: each question has the chance with which it was asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.evaluators.label_verdicts import compare_people
from evals.labels.mapped_labels import map_votes
from evals.labels.night_queue import list_review_dimensions
from evals.labels.queue_reasons import (
    Judged,
    Measured,
    Signal,
    find_complaints,
    find_outliers,
    find_uncertain,
    find_verdict_signals,
    is_negative,
)
from evals.labels.review_queue import ReviewDimension, build_queue, draw_traces
from evals.records import Label, Trace
from evals.specs import load_catalog
from evals.specs.label_rules import LabelRules
from evals.specs.review import ReviewQueue
from evals.storage.documents.review_queues import ReviewQuestion
from tests.catalog_files import write_catalog

IDS = [f"t{i}" for i in range(1000)]
DIMENSIONS = {
    "right": ReviewDimension("right", "Is it right?"),
    "polite": ReviewDimension("tone", "Is it polite?"),
}
ABOUT = (date(2026, 10, 1), "desk", "t1", "right")
TRACE = Trace("t1", datetime(2026, 10, 1, 9, tzinfo=UTC), "desk", "It is red.", "Which colour?")


def make_failures(ids: Iterable[str], evaluator: str = "judge") -> list[Signal]:
    """Reasons of answers that a judge failed."""
    return [Signal(trace_id, "failed", evaluator) for trace_id in ids]


def build(
    signals: Iterable[Signal], judged: Mapping[tuple[str, str], int] | None = None, **more: Any
) -> list[ReviewQuestion]:
    """Builds the queue of 1,000 traces and two dimensions."""
    return build_queue("desk", IDS, signals, judged or {}, DIMENSIONS, ReviewQueue(**more))


def test_a_queue_has_its_size_and_each_answer_its_chance() -> None:
    """Half of the weight is the floor's: failed answers are drawn more often by one factor."""
    queue = build(make_failures(IDS[::10]), size=40, double=0)
    chances = {one.trace_id: one.probability or 0 for one in queue}
    assert (len(chances), len(queue)) == (40, 80)
    failed = {chances[name] for name in chances.keys() & set(IDS[::10])}
    others = {chances[name] for name in chances.keys() - set(IDS[::10])}
    assert (len(failed), len(others)) == (1, 1)
    assert failed.pop() / others.pop() == pytest.approx(11, rel=0.01)
    assert sum(one.stratum == "failed" for one in queue) == pytest.approx(44, abs=16)


def test_every_answer_may_be_drawn() -> None:
    """With a floor of a fifth no chance is below a fifth of a simple random sample's."""
    spec = ReviewQueue(size=100, floor=0.2)
    drawn = draw_traces(IDS, make_failures(IDS[:50]), spec)
    assert min(one.probability for one in drawn) >= 0.2 * 100 / 1000 * 0.8


def test_a_small_night_is_read_whole() -> None:
    """Each answer has the chance 1, and none is asked about where the size is 0."""
    assert {one.probability for one in build([], size=1000)} == {1.0}
    assert build(make_failures(IDS[:3]), size=0) == []


def test_a_rare_reason_takes_its_share_from_the_common_ones() -> None:
    """Of the rest each reason has a share whatever its number, and each question has its reason."""
    rare = [Signal("t7", "complaint"), Signal("t8", "guard", "pii")]
    queue = build([*rare, *make_failures(IDS[100:600])], size=40, double=0)
    reasons = {one.trace_id: (one.reason, one.stratum, one.reasons) for one in queue}
    assert reasons["t7"] == ("the user complained", "complaint", ("complaint",))
    assert reasons["t8"] == ("guard fired: pii", "guard", ("guard: pii",))
    without = build([*rare, *make_failures(IDS[100:600])], size=40, shares={"guard": 0})
    assert "guard" not in {one.stratum for one in without}


def test_a_queue_that_is_built_again_asks_no_other_answers() -> None:
    """What is labelled leaves it; the others have the chance that they had."""
    first = build(make_failures(IDS[:100]), size=40, double=0)
    judged = {(one.trace_id, one.labels): 1 for one in first[::3]}
    again = build(make_failures(IDS[:100]), judged, size=40, double=0)
    assert again == [one for one in first if (one.trace_id, one.labels) not in judged]


def test_a_share_is_asked_of_two_people() -> None:
    """Such a question stays until two have judged it; a gold value is enough."""
    queue = build([], size=200, double=0.2)
    twice = {(one.trace_id, one.labels) for one in queue if one.people == 2}
    assert len(twice) == pytest.approx(80, abs=40)
    once = build(
        [], dict.fromkeys(((q.trace_id, q.labels) for q in queue), 1), size=200, double=0.2
    )
    assert {(one.trace_id, one.labels) for one in once} == twice


def test_sessions_are_shown_by_their_last_turn() -> None:
    """A dimension of sessions is asked of no other trace."""
    dimensions = {"solved": ReviewDimension("solved", "Is it solved?", True)}
    queue = build_queue("desk", IDS, [], {}, dimensions, ReviewQueue(size=1000), {"t3"})
    assert [one.trace_id for one in queue] == ["t3"]


def judge(trace_id: str, value: float | None, passed: bool, who: str = "right.judge") -> Judged:
    """A verdict on the dimension `right`."""
    return Judged(trace_id, "desk", "right", who, passed, value)


def test_what_verdicts_show() -> None:
    """What fails, what is nearest to the threshold, where two disagree, and an open incident."""
    rows = [judge(f"t{i}", i / 20, i >= 10) for i in range(1, 20)]
    rows += [judge("t15", None, False, "right.other")]
    signals = set(find_verdict_signals(rows, ["right"], ["right"]))
    assert {one.trace_id for one in signals if one.reason == "uncertain"} == {"t9", "t10"}
    assert Signal("t15", "disagree", "right") in signals
    assert Signal("t3", "incident", "right") in signals
    assert Signal("t15", "failed", "right.other") in signals
    assert not list(find_verdict_signals(rows, ["polite"]))
    assert not find_uncertain([judge("a", 0.4, True), judge("b", 0.6, False)])


def test_outliers_are_few_and_large() -> None:
    """A night of equal numbers has none; one of 40 that is far from the others is one."""
    usual = [Measured(f"t{i}", {"length": 100.0 + i, "tools": 1.0}, False) for i in range(40)]
    assert not list(find_outliers(usual))
    odd = [*usual, Measured("odd", {"length": 90_000.0, "tools": 9.0}, False)]
    assert set(find_outliers(odd)) == {
        Signal("odd", "outlier", "length"),
        Signal("odd", "outlier", "tools"),
    }


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [
        ({"name": "thumbs", "value": -1}, True),
        ({"score": 0}, True),
        ({"score": 1}, False),
        ({"rating": "thumbs_down"}, True),
        ({"value": None}, False),
        ({"comment": "down the street"}, False),
        (False, True),
        ("Negative ", True),
        ([], False),
    ],
)
def test_a_complaint_is_recorded_feedback_that_is_negative(feedback: Any, expected: bool) -> None:
    """A number up to 0, false, or a word for it."""
    assert is_negative(feedback) == expected
    label = Label("t1", "user_feedback", feedback, "app", "rule")
    assert bool(list(find_complaints([], [label]))) == expected


def test_people_are_asked_nothing_that_code_asserts(tmp_path: Path) -> None:
    """Judges, recorded verdicts and what has no check are asked about; assertions never."""
    suite = {
        "suite": "desk",
        "dimensions": [
            {
                "dimension": "short",
                "question": "Short?",
                "check": {"assertion": "no_error"},
            },
            {"dimension": "kind", "question": "Kind?", "recorded": True},
            {"dimension": "right", "question": "Right?"},
        ],
    }
    files = {"apps/desk.yaml": {"app": "desk", "suite": "desk"}, "suites/desk.yaml": suite}
    catalog = load_catalog(write_catalog(tmp_path, files))
    assert set(list_review_dimensions(catalog, "desk")) == {"kind", "right"}


ANN = Label("t1", "right", "pass", "ann", "human", sampling_probability=0.25)
BOB = Label("t1", "right", "fail", "bob", "human")
EVE = Label("t1", "right", "pass", "eve", "human")


@pytest.mark.parametrize(
    ("votes", "rules", "expected"),
    [
        ([ANN], {}, ("pass", 0.25, 0, 0)),
        ([BOB], {}, ("fail", None, 0, 0)),
        ([ANN, BOB], {}, (None, 0.25, 1, 0)),
        ([ANN, BOB, EVE], {}, ("pass", 0.25, 3, 1)),
        ([ANN, BOB], {"pool": "worst"}, ("fail", 0.25, 1, 0)),
        ([], {"unlabelled": "pass"}, ("pass", 1.0, 0, 0)),
        ([BOB], {"unlabelled": "pass"}, ("fail", 1.0, 0, 0)),
    ],
)
def test_a_mapped_label_keeps_its_chance_and_its_annotators(
    votes: list[Label], rules: dict[str, str], expected: tuple[object, ...]
) -> None:
    """Its verdict, chance and pairs of people; a tie has no verdict and is counted."""
    row = map_votes(LabelRules(**{"map": PASS_FAIL, **rules}), votes, ABOUT, TRACE.session_id)
    assert row
    assert (row.verdict, row.probability, row.pairs, row.pairs_agreed) == expected
    assert row.split == "dev"


PASS_FAIL = {"pass": "pass", "fail": "fail", "unsure": "skip"}


def test_what_is_unsure_is_neither_a_label_nor_a_pair() -> None:
    """Nor does an adjudication count as a person beside the others."""
    rules = LabelRules(map=PASS_FAIL)
    unsure = dataclasses.replace(BOB, verdict="unsure")
    assert map_votes(rules, [unsure], ABOUT, TRACE.session_id) is None
    adjudicated = dataclasses.replace(BOB, annotator_kind="adjudicated")
    assert compare_people(rules, [ANN, unsure, adjudicated]) == (0, 0, 0)
