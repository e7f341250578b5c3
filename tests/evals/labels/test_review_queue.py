"""Promises of the review queue: each question has the chance with which it was asked."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

import pytest

from evals.evaluators.label_verdicts import compare_people
from evals.labels.mapped_labels import map_votes
from evals.labels.review_queue import build_queue
from evals.records import Label, Score, Trace
from evals.specs.label_rules import LabelRules

NIGHT = date(2026, 10, 1)
IDS = [f"t{i}" for i in range(1000)]
DIMENSIONS = {"right": ("right", "Is it right?"), "polite": ("tone", "Is it polite?")}
ABOUT = (date(2026, 10, 1), "desk", "t1", "right")
TRACE = Trace("t1", datetime(2026, 10, 1, 9, tzinfo=UTC), "desk", "It is red.", "Which colour?")


def make_failures(ids: list[str], evaluator: str = "judge") -> list[Score]:
    """Failing scores of a judge."""
    about = ("desk", "right", evaluator, "v1", "judge", "scored", "fail", None, "", None)
    return [Score(trace_id, NIGHT, *about) for trace_id in ids]


def test_a_failed_answer_has_its_chance_among_the_failed() -> None:
    """Of 100 failed answers those asked are the first of their order, whichever half asked them."""
    failed = set(IDS[::10])
    queue = build_queue("desk", IDS, make_failures(sorted(failed)), [], DIMENSIONS, 40)
    right = {one.trace_id: one.probability for one in queue if one.dimension == "right"}
    asked = failed & set(right)
    assert len(asked) >= 20
    assert {right[name] for name in asked} == {len(asked) / 100}
    assert {right[name] for name in right.keys() - failed} == {0.02}
    assert {one.probability for one in queue if one.dimension == "polite"} == {0.02}


def test_two_judges_ask_once_about_an_answer() -> None:
    """An answer that both failed is one question, and its chance is among all failed ones."""
    failures = [*make_failures(IDS[:30]), *make_failures(IDS[20:50], "other")]
    queue = build_queue("desk", IDS, failures, [], DIMENSIONS, 100)
    asked = [one.trace_id for one in queue if one.dimension == "right"]
    assert len(asked) == len(set(asked))
    assert {one.probability for one in queue if one.trace_id in IDS[:50]} >= {1.0}


def test_labelled_failures_do_not_change_the_chance_of_others() -> None:
    """A queue made again after labels came asks the next ones, and counts those before them."""
    failures = make_failures(IDS[:100])
    first = build_queue("desk", IDS, failures, [], {"right": DIMENSIONS["right"]}, 40)
    judged = {(one.trace_id, one.labels) for one in first}
    again = build_queue("desk", IDS, failures, judged, {"right": DIMENSIONS["right"]}, 40)
    assert not judged & {(one.trace_id, one.labels) for one in again}
    before = sum(one.trace_id in IDS[:100] for one in first)
    assert {one.probability for one in again} == {(before + 20) / 100}


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
    assert compare_people(rules, [ANN, unsure, adjudicated]) == (0, 0)
