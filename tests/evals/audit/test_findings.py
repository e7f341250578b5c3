"""What an audit concludes of what the nights showed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from evals.audit.evidence import Audited, Pair, Record
from evals.audit.findings import conclude
from evals.specs import Evaluator

NIGHT = date(2026, 10, 14)
CODE = Record(
    Evaluator(
        name="chat.short",
        app="chat",
        dimension="short",
        question="Does the answer come to the point?",
        kind="assertion",
        check="regex",
    ),
    nights=14,
    passed=900,
    failed=40,
    decides=True,
)
JUDGE = replace(
    CODE,
    evaluator=CODE.evaluator.model_copy(
        update={
            "name": "pointed",
            "dimension": "to-the-point",
            "kind": "judge",
            "check": "judge",
            "answer_version": "0123456789abcdef",
        }
    ),
    aligned=True,
    calls=940,
    usd=1.88,
)
GUARD = replace(CODE, evaluator=CODE.evaluator.model_copy(
    update={"name": "moderated", "dimension": "moderated", "kind": "guardrail"}))  # fmt: skip


def ask(record: Record, **changes: str) -> Record:
    """Returns a record whose evaluator has other keys."""
    return replace(record, evaluator=record.evaluator.model_copy(update=changes))


def find_kinds(*records: Record, pairs: tuple[Pair, ...] = ()) -> list[str]:
    """Returns the kinds of findings."""
    return [one.kind for one in conclude(Audited(NIGHT, NIGHT, records, pairs))]


def test_evaluators_that_earn_their_place_are_no_finding() -> None:
    """A check and an aligned judge that decide, and fail answers of their own, are left alone."""
    pair = Pair("chat", "chat.short", "pointed", 900, both_failed=9, one_failed=31, other_failed=31)
    assert find_kinds(CODE, JUDGE, pairs=(pair,)) == []


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("code-would-do", ask(JUDGE, question="Is the answer at most 50 words long?")),
        ("code-would-do", ask(JUDGE, question="Is it valid JSON?")),
        ("unvalidated-judge", replace(JUDGE, aligned=False, decides=False)),
        ("never-gates", replace(CODE, decides=False)),
        ("generic", ask(JUDGE, dimension="overall-quality")),
        ("never-fails", replace(CODE, failed=0)),
        ("no-verdicts", replace(CODE, passed=0, failed=0, errored=300)),
        ("no-verdicts", replace(GUARD, passed=0, failed=0, skipped=9, codes={"no-source": 9})),
    ],
)
def test_each_kind_is_found(kind: str, record: Record) -> None:
    """Each reason not to keep an evaluator as it is gives its own finding, and no other."""
    assert find_kinds(record) == [kind]


@pytest.mark.parametrize(
    "record",
    [
        ask(CODE, question="Is it valid JSON?"),
        ask(JUDGE, dimension="price-quality-of-the-flat"),
        replace(CODE, failed=0, passed=250),
        replace(CODE, decides=False, nights=3),
        replace(CODE, decides=False, evaluator=CODE.evaluator.model_copy(
            update={"kind": "guardrail"})),
        Record(CODE.evaluator),
        replace(GUARD, passed=0, failed=0, skipped=940, codes={"not-asked-inline": 940}),
        replace(CODE, failed=0, is_declared=False),
        replace(CODE, decides=False, is_read=True),
    ],
    ids=["code", "own words", "few verdicts", "few nights", "guardrail", "no night",
         "no guard log", "the default dimension", "a vote of a panel"],
)  # fmt: skip
def test_near_misses_are_no_finding(record: Record) -> None:
    """What only resembles a reason, or has too little evidence, is not reported."""
    assert find_kinds(record) == []


def test_two_that_fail_the_same_answers_overlap() -> None:
    """Two checks that share nearly all failures overlap; with a judge, the check would do."""
    same = Pair("chat", "chat.short", "pointed", 900, both_failed=60, one_failed=2, other_failed=1)
    assert find_kinds(CODE, JUDGE, pairs=(same,)) == ["code-would-do"]
    (found,) = conclude(Audited(NIGHT, NIGHT, (CODE, JUDGE), (same,)))
    assert found.evaluator == "pointed"
    assert "$1.88" in found.evidence
    other = ask(CODE, name="chat.brief")
    pair = same._replace(one="chat.brief", other="chat.short")
    assert find_kinds(CODE, other, pairs=(pair,)) == ["overlap"]


@pytest.mark.parametrize("counts", [(18, 0, 0), (60, 20, 5)], ids=["few", "too different"])
def test_an_overlap_needs_evidence(counts: tuple[int, int, int]) -> None:
    """Few failures, or too many of one alone, are no overlap."""
    pair = Pair("chat", "chat.short", "pointed", 900, *counts)
    assert find_kinds(CODE, JUDGE, pairs=(pair,)) == []


def test_what_fails_the_same_answers_by_design_does_not_overlap() -> None:
    """A panel and its votes, and a check beside the guardrail that it audits, are left alone."""
    pair = Pair("chat", "chat.short", "moderated", 900, 40, one_failed=1, other_failed=0)
    assert find_kinds(CODE, GUARD, pairs=(pair,)) == []
    params = {"dimensions": ["short", "other", "third"]}
    kinds = {"kind": "panel", "check": "majority", "name": "all", "dimension": "all"}
    panel = replace(CODE, evaluator=CODE.evaluator.model_copy(update={**kinds, "params": params}))
    assert find_kinds(CODE, panel, pairs=(pair._replace(other="all"),)) == []


def test_what_is_missing_is_named_with_what_to_do() -> None:
    """The codes of a classifier that nobody promoted lead to training it."""
    record = replace(CODE, passed=0, failed=0, skipped=9, codes={"not-trained": 9})
    (found,) = conclude(Audited(NIGHT, NIGHT, (record,), ()))
    assert "9 skipped (not-trained 9)" in found.evidence
    assert "andon classifier train" in found.advice
