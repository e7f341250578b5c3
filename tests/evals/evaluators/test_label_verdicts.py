"""Promises of labels' meaning: words, numbers and tags; who has a vote, and which one counts."""

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


def label(verdict: Json, who: str = "ann", kind: AnnotatorKind = "human", **more: Any) -> Label:
    """A label of the trace."""
    return Label("t1", "right", verdict, who, kind, **more)


def told(result: Outcome | Failure | Skip | None) -> str:
    """A result in a word."""
    match result:
        case Outcome(passed):
            return "pass" if passed else "fail"
        case Failure(code):
            return code
        case Skip(reason):
            return reason
        case None:
            return "nothing"


def decide(*labels: Label, **rules: Any) -> str:
    """What people decided."""
    return told(decide_people(LabelRules(**{"map": MAP, **rules}), labels))


def score(*labels: Label, **rules: Any) -> dict[str, str]:
    """The rows of the recorded verdicts, by the name they go under."""
    params = LabelRules(**{"map": MAP, **rules}).model_dump(exclude_defaults=True)
    references = GoldAndLabels.of(Path(), labels)
    found = RECORDED.evaluate(recorded(params), references)(TRACE)
    return {finding.annotator or "": told(finding.result) for finding in found}


def recorded(params: dict[str, Any]) -> Evaluator:
    """An evaluator of recorded verdicts."""
    about = {"name": "desk.tone.recorded", "app": "desk", "dimension": "tone"}
    kinds = {"kind": "recorded", "check": "recorded", "labels": "right"}
    return Evaluator(**about, **kinds, question="Is it?", params=params)


def content(*labels: Label) -> bytes:
    """What is hashed of a trace's labels."""
    references = GoldAndLabels.of(Path(), labels)
    return RECORDED.content(recorded({"map": MAP}), TRACE, references)


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
    """Words without case and spaces, numbers by their conditions, lists by their worst tag."""
    assert told(map_verdict(mapping, verdict)) == expected


def test_an_exact_word_is_found_before_one_that_only_matches() -> None:
    """A condition never takes a number that is a key of its own."""
    assert told(map_verdict({">= 1": "pass", "9": "skip"}, 9)) == "mapped-to-skip"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], "nothing"),
        ([label("good"), label("bad", "bob"), label("bad", "cy")], "fail"),
        ([label("good"), label("bad", "bob")], "tie"),
        ([label("good"), label("bad")], "fail"),
        ([label("good"), label("good"), label("bad", "bob")], "tie"),
        ([label("good"), label("unsure")], "mapped-to-skip"),
        ([label("unsure"), label("bad", "bob")], "fail"),
        ([label("good", rubric_version="1"), label("bad", rubric_version="2")], "fail"),
        ([label("good"), label("good", "bob"), label("bad", "cy", "adjudicated")], "fail"),
        ([label("good"), label("unsure", "cy", "adjudicated")], "mapped-to-skip"),
        ([label("good"), label("odd", "cy", "adjudicated")], "unmapped-verdict"),
        ([label("bad", "human", "judge"), label("good")], "pass"),
        ([label("bad", "human", "judge")], "nothing"),
        ([label("bad", "adjudicated", "rule"), label("good")], "pass"),
    ],
)
def test_people_decide_by_annotator_and_adjudications_outweigh(
    labels: list[Label], expected: str
) -> None:
    """An annotator has one vote, the latest; an adjudication counts also where it is unsure."""
    assert decide(*labels) == expected


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
    """The later of two times counts; where one is not known, the label that arrived later."""
    assert decide(label("good", time=earlier), label("bad", time=later)) == expected


def test_the_worst_verdict_of_several_annotators_can_count() -> None:
    """Under `pool: worst` one fail outweighs every pass, and a tie is none."""
    labels = [label("good"), label("good", "bob"), label("bad", "cy")]
    assert decide(*labels) == "pass"
    assert decide(*labels, pool="worst") == "fail"
    assert decide(*labels[:2], pool="worst") == "pass"
    assert decide(label("good"), label("bad", "bob"), pool="worst") == "fail"


def test_judges_may_have_another_map_than_people() -> None:
    """A word has the meaning of its annotator's kind."""
    maps = {"judge": {"safe": "pass", "unsafe": "fail"}}
    rows = score(
        label("good"), label("unsafe", "j", "judge"), label("good", "r", "rule"), maps=maps
    )
    assert rows == {"tone.human": "pass", "tone.j": "fail", "tone.r": "pass"}
    assert score(label("safe"), maps=maps) == {"tone.human": "unmapped-verdict"}


def test_no_label_may_mean_pass() -> None:
    """Under `unlabelled: pass` people's row has every trace; what they labelled stays theirs."""
    assert score(unlabelled="pass") == {"tone.human": "pass"}
    assert score(label("bad"), unlabelled="pass") == {"tone.human": "fail"}
    assert score(label("bad", "j", "judge"), unlabelled="pass") == {
        "tone.human": "pass",
        "tone.j": "fail",
    }
    assert score(label("unsure", "cy", "adjudicated"), unlabelled="pass") == {
        "tone.adjudicated": "mapped-to-skip"
    }
    assert decide(unlabelled="fail") == "fail"


@pytest.mark.parametrize("name", ["human", "Human", "adjudicated", " human "])
def test_a_judge_with_a_person_s_name_is_no_person(name: str) -> None:
    """Its verdicts have a row of their own, which is not the people's."""
    rows = score(label("bad", name, "judge"), label("good"))
    assert rows.pop("tone.human") == "pass"
    ((shown, verdict),) = rows.items()
    assert (shown, verdict) == (f"tone.{name} (judge)", "fail")
    assert not is_people_row("tone", shown)
    assert not is_people_row("tone", "tone.x.human")
    assert is_people_row("tone", "tone.adjudicated")


def test_a_judge_s_null_verdict_is_an_error_row() -> None:
    """It is an error with a code of its own, not a row that is not there."""
    assert score(label(None, "j", "judge")) == {"tone.j": "no-verdict"}


def test_only_labels_that_count_otherwise_than_before_change_what_is_hashed() -> None:
    """Plain labels have the bytes they always had; a corrected or a respelled one changes them."""
    plain = [label("good"), label("bad", "bob"), label("odd", "j", "judge"), label(1, "r", "rule")]
    before = [[one.annotator, one.annotator_kind, one.verdict] for one in plain]
    assert content(*plain) == encode_canonical(before)
    assert content(label("Good")) == content(label("good")) != content(label("Gooood"))
    assert content(label("bad"), label("good")) == content(label("good"))
    assert content(label("good", "human", "judge")) != encode_canonical(
        [["human", "judge", "good"]]
    )


def test_a_label_of_another_answer_corrects_nothing() -> None:
    """What a person judged of a replaced answer is not a vote on the present one."""
    other = dataclasses.replace(TRACE, output="It is blue.")
    of_present = label("good", answer=digest_answer(TRACE))
    of_other = label("bad", answer=digest_answer(other))
    for labels in itertools.permutations([of_present, of_other]):
        assert score(*labels) == {"tone.human": "pass"}


def test_a_later_gold_value_corrects_an_earlier_one() -> None:
    """The last value that arrived is the right answer."""
    values = [GoldValue("t1", "right", "red"), GoldValue("t1", "right", "blue")]
    gold = GoldAndLabels.of(Path(), [], values)
    assert gold.gold_values == {("t1", "right"): "blue"}


WORDS = st.sampled_from([*MAP, "odd", " GOOD", "Bad "])
KINDS: list[AnnotatorKind] = ["human", "adjudicated", "judge", "rule"]
LABELS = st.lists(
    st.builds(label, WORDS, st.sampled_from("abc"), st.sampled_from(KINDS)), max_size=9
)


@given(LABELS)
def test_people_s_row_and_agreement_are_one_rule(labels: list[Label]) -> None:
    """Whatever the labels are, the row of people is what agreement is measured against."""
    rows = score(*labels)
    people = [rows[name] for name in ("tone.human", "tone.adjudicated") if name in rows]
    assert people == [told(found) for found in [decide_people(RULES, labels)] if found is not None]


@given(LABELS)
def test_who_labelled_the_same_twice_has_one_vote(labels: list[Label]) -> None:
    """Repeating every label changes no verdict."""
    assert score(*labels, *labels) == score(*labels)
