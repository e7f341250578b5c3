"""Promises of labels' meaning: each form of verdict is mapped, and one vote counts each."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.evaluators.gold import GoldAndLabels, digest_answer
from evals.evaluators.label_verdicts import decide_people, is_people_row, map_verdict
from evals.evaluators.recorded import RECORDED
from evals.records import (
    AnnotatorKind,
    Failure,
    GoldValue,
    Json,
    Label,
    Outcome,
    Skip,
    Trace,
    encode_canonical,
)
from evals.specs import Evaluator
from evals.specs.label_rules import LabelRules

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
TRACE = Trace("t1", NOON, "desk", "It is red.", "Which colour?")
MAP = {"good": "pass", "bad": "fail", "unsure": "skip"}
RULES = LabelRules(map=MAP)


def build_label(
    verdict: Json, who: str = "ann", kind: AnnotatorKind = "human", **more: Any
) -> Label:
    """Builds a label of the trace."""
    return Label("t1", "right", verdict, who, kind, **more)


def describe_result(result: Outcome | Failure | Skip | None) -> str:
    """Describes a result in a word."""
    match result:
        case Outcome(passed):
            return "pass" if passed else "fail"
        case Failure(code):
            return code
        case Skip(reason):
            return reason
        case None:
            return "nothing"


def decide_by_people(*labels: Label, **rules: Any) -> str:
    """Decides by people's labels."""
    return describe_result(decide_people(LabelRules(**{"map": MAP, **rules}), labels))


def score_recorded(*labels: Label, **rules: Any) -> dict[str, str]:
    """Scores recorded verdicts; returns them by the name of their row."""
    params = LabelRules(**{"map": MAP, **rules}).model_dump(exclude_defaults=True)
    references = GoldAndLabels.of(Path(), labels)
    findings = RECORDED.evaluate(build_evaluator(params), references)(TRACE)
    return {finding.annotator or "": describe_result(finding.result) for finding in findings}


def build_evaluator(params: dict[str, Any]) -> Evaluator:
    """Builds an evaluator of recorded verdicts."""
    about = {"name": "desk.tone.recorded", "app": "desk", "dimension": "tone"}
    kinds = {"kind": "recorded", "check": "recorded", "labels": "right"}
    return Evaluator(**about, **kinds, question="Is it?", params=params)


def encode_content(*labels: Label) -> bytes:
    """Encodes the content that is hashed of a trace's labels."""
    references = GoldAndLabels.of(Path(), labels)
    return RECORDED.content(build_evaluator({"map": MAP}), TRACE, references)


@pytest.mark.parametrize(
    ("mapping", "verdict", "expected"),
    [
        (MAP, "Good", "pass"),
        (MAP, "  BAD\n", "fail"),
        (MAP, "Unsure ", "mapped-to-skip"),
        (MAP, "fine", "unmapped-verdict"),
        (MAP, None, "no-verdict"),
        ({"STRASSE": "pass"}, "straße", "pass"),
        ({"Pass": "fail", "pass ": "fail"}, "PASS", "fail"),
        ({"true": "pass"}, True, "pass"),
        ({"1": "pass", "0": "fail"}, 1, "pass"),
        ({"1": "pass", "0": "fail"}, 0.0, "fail"),
        ({"1": "pass"}, True, "unmapped-verdict"),
        ({">= 4": "pass", "< 4": "fail"}, 4, "pass"),
        ({">= 4": "pass", "< 4": "fail"}, 3.9, "fail"),
        ({">= 4": "pass", "< 4": "fail"}, " 5 ", "pass"),
        ({">=4": "pass", "<4": "fail", "-1": "skip"}, -1, "mapped-to-skip"),
        ({"<= 0.2": "pass", "> 0.2": "fail"}, 0.2, "pass"),
        ({">= 4": "pass", "<= 2": "fail", "> 2": "skip"}, 3, "mapped-to-skip"),
        ({">= 4": "pass"}, True, "unmapped-verdict"),
        ({">= 4": "pass"}, "nan", "unmapped-verdict"),
        ({">= 4": "pass"}, "four", "unmapped-verdict"),
        ({">= 4": "pass", "< 4": "fail"}, {"score": 5}, "unmapped-verdict"),
        ({"[]": "pass", "rude": "fail", "long": "pass"}, [], "pass"),
        ({"[]": "pass", "rude": "fail", "long": "pass"}, ["long", "Rude"], "fail"),
        ({"[]": "pass", "rude": "fail", "long": "pass"}, ["long"], "pass"),
        ({"rude": "fail", "long": "pass", "other": "skip"}, ["other", "long"], "pass"),
        ({"rude": "fail", "other": "skip"}, ["other"], "mapped-to-skip"),
        ({"rude": "fail"}, ["rude", "odd"], "unmapped-verdict"),
        ({"rude": "fail"}, [], "unmapped-verdict"),
    ],
)
def test_a_verdict_has_the_meaning_that_its_map_gives_it(
    mapping: dict[str, str], verdict: Json, expected: str
) -> None:
    """Words match without case and spaces, numbers by conditions, lists by their worst tag."""
    assert describe_result(map_verdict(mapping, verdict)) == expected


def test_an_exact_key_outranks_a_condition() -> None:
    """A condition never applies to a number that is a key of its own."""
    assert describe_result(map_verdict({">= 1": "pass", "9": "skip"}, 9)) == "mapped-to-skip"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], "nothing"),
        ([build_label("good"), build_label("bad", "bob"), build_label("bad", "cy")], "fail"),
        ([build_label("good"), build_label("bad", "bob")], "tie"),
        ([build_label("good"), build_label("bad")], "fail"),
        ([build_label("good"), build_label("good"), build_label("bad", "bob")], "tie"),
        ([build_label("good"), build_label("unsure")], "mapped-to-skip"),
        ([build_label("unsure"), build_label("bad", "bob")], "fail"),
        ([build_label("good", rubric_version="1"), build_label("bad", rubric_version="2")], "fail"),
        (
            [
                build_label("good"),
                build_label("good", "bob"),
                build_label("bad", "cy", "adjudicated"),
            ],
            "fail",
        ),
        ([build_label("good"), build_label("unsure", "cy", "adjudicated")], "mapped-to-skip"),
        ([build_label("good"), build_label("odd", "cy", "adjudicated")], "unmapped-verdict"),
        ([build_label("bad", "human", "judge"), build_label("good")], "pass"),
        ([build_label("bad", "human", "judge")], "nothing"),
        ([build_label("bad", "adjudicated", "rule"), build_label("good")], "pass"),
    ],
)
def test_people_decide_by_annotator_and_adjudications_outweigh(
    labels: list[Label], expected: str
) -> None:
    """An annotator has one vote, the latest; an adjudication counts also where it is unsure."""
    assert decide_by_people(*labels) == expected


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (NOON, NOON + timedelta(hours=1), "fail"),
        (NOON + timedelta(hours=1), NOON, "pass"),
        (NOON, NOON, "fail"),
        (None, NOON, "fail"),
        (NOON, None, "fail"),
        (None, None, "fail"),
    ],
)
def test_a_person_who_labels_again_corrects_themself(
    earlier: datetime | None, later: datetime | None, expected: str
) -> None:
    """The later time counts; where one is missing, the label that arrived later."""
    assert (
        decide_by_people(build_label("good", time=earlier), build_label("bad", time=later))
        == expected
    )


def test_the_worst_verdict_of_several_annotators_can_count() -> None:
    """Under `pool: worst` one fail outweighs every pass, and a tie is none."""
    labels = [build_label("good"), build_label("good", "bob"), build_label("bad", "cy")]
    assert decide_by_people(*labels) == "pass"
    assert decide_by_people(*labels, pool="worst") == "fail"
    assert decide_by_people(*labels[:2], pool="worst") == "pass"
    assert decide_by_people(build_label("good"), build_label("bad", "bob"), pool="worst") == "fail"


def test_judges_may_have_another_map_than_people() -> None:
    """A word has the meaning of its annotator's kind."""
    maps = {"judge": {"safe": "pass", "unsafe": "fail"}}
    rows = score_recorded(
        build_label("good"),
        build_label("unsafe", "j", "judge"),
        build_label("good", "r", "rule"),
        maps=maps,
    )
    assert rows == {"tone.human": "pass", "tone.j": "fail", "tone.r": "pass"}
    assert score_recorded(build_label("safe"), maps=maps) == {"tone.human": "unmapped-verdict"}


def test_an_unlabelled_trace_may_pass() -> None:
    """Under `unlabelled: pass` every trace has a row of people, and their labels outrank it."""
    assert score_recorded(unlabelled="pass") == {"tone.human": "pass"}
    assert score_recorded(build_label("bad"), unlabelled="pass") == {"tone.human": "fail"}
    assert score_recorded(build_label("bad", "j", "judge"), unlabelled="pass") == {
        "tone.human": "pass",
        "tone.j": "fail",
    }
    assert score_recorded(build_label("unsure", "cy", "adjudicated"), unlabelled="pass") == {
        "tone.adjudicated": "mapped-to-skip"
    }
    assert decide_by_people(unlabelled="fail") == "fail"


@pytest.mark.parametrize("unlabelled", [None, "pass"])
def test_a_label_of_an_earlier_wording_is_nobody_s_verdict(unlabelled: str | None) -> None:
    """It gives people no row and hides no verdict; nor does a suite pass what it would undo."""
    before = build_label("bad", rubric_version="0" * 16)
    rules: dict[str, Any] = {"unlabelled": unlabelled} if unlabelled else {}
    assert score_recorded(before, **rules) == {}
    now = build_label("good", "bob")
    for labels in itertools.permutations([before, now]):
        assert score_recorded(*labels, **rules) == {"tone.human": "pass"}
    assert encode_content(before, now) == encode_content(now)
    assert encode_content(before) != encode_content()


@pytest.mark.parametrize("name", ["human", "Human", "adjudicated", " human "])
def test_a_judge_with_a_person_s_name_is_not_a_person(name: str) -> None:
    """Its verdicts have a row of their own, which is not the people's."""
    rows = score_recorded(build_label("bad", name, "judge"), build_label("good"))
    assert rows.pop("tone.human") == "pass"
    ((shown, verdict),) = rows.items()
    assert (shown, verdict) == (f"tone.{name} (judge)", "fail")
    assert not is_people_row("tone", shown)
    assert not is_people_row("tone", "tone.x.human")
    assert is_people_row("tone", "tone.adjudicated")


def test_a_judge_s_null_verdict_is_an_error_row() -> None:
    """It has a code of its own, and the row is not missing."""
    assert score_recorded(build_label(None, "j", "judge")) == {"tone.j": "no-verdict"}


def test_only_labels_with_another_meaning_change_the_hash() -> None:
    """Plain labels have the same bytes as ever, and labels that count otherwise change them."""
    plain = [
        build_label("good"),
        build_label("bad", "bob"),
        build_label("odd", "j", "judge"),
        build_label(1, "r", "rule"),
    ]
    before = [[label.annotator, label.annotator_kind, label.verdict] for label in plain]
    assert encode_content(*plain) == encode_canonical(before)
    assert (
        encode_content(build_label("Good"))
        == encode_content(build_label("good"))
        != encode_content(build_label("Gooood"))
    )
    assert encode_content(build_label("bad"), build_label("good")) == encode_content(
        build_label("good")
    )
    assert encode_content(build_label("good", "human", "judge")) != encode_canonical(
        [["human", "judge", "good"]]
    )


def test_a_label_of_another_answer_corrects_nothing() -> None:
    """A label of a replaced answer is not a vote on the present one."""
    other = dataclasses.replace(TRACE, output="It is blue.")
    of_present = build_label("good", answer=digest_answer(TRACE))
    of_other = build_label("bad", answer=digest_answer(other))
    for labels in itertools.permutations([of_present, of_other]):
        assert score_recorded(*labels) == {"tone.human": "pass"}


def test_a_later_gold_value_corrects_an_earlier_one() -> None:
    """The last value that arrived is gold."""
    values = [GoldValue("t1", "right", "red"), GoldValue("t1", "right", "blue")]
    gold = GoldAndLabels.of(Path(), [], values)
    assert gold.gold_values == {("t1", "right"): "blue"}


WORDS = st.sampled_from([*MAP, "odd", " GOOD", "Bad "])
KINDS: list[AnnotatorKind] = ["human", "adjudicated", "judge", "rule"]
LABELS = st.lists(
    st.builds(build_label, WORDS, st.sampled_from("abc"), st.sampled_from(KINDS)), max_size=9
)


@given(LABELS)
def test_people_s_row_and_agreement_follow_one_rule(labels: list[Label]) -> None:
    """For any labels the row of people is the verdict that agreement is measured against."""
    rows = score_recorded(*labels)
    people = [rows[name] for name in ("tone.human", "tone.adjudicated") if name in rows]
    assert people == [
        describe_result(result) for result in [decide_people(RULES, labels)] if result is not None
    ]


@given(LABELS)
def test_repeated_labels_count_once(labels: list[Label]) -> None:
    """Repeating every label changes no verdict."""
    assert score_recorded(*labels, *labels) == score_recorded(*labels)
