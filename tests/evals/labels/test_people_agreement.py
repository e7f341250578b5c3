"""Promises of the comparison of people: pairs, classes and κ, from counts that a hand can check."""

from __future__ import annotations

import pytest

from evals.labels.people_agreement import Vote, compare_annotators, count_pairs


def make_votes(*rows: str) -> list[list[Vote]]:
    """Questions, each with a letter per person: `p` passes it, `f` fails it, `-` did not judge."""
    return [
        [Vote(f"person {n}", letter == "p") for n, letter in enumerate(row) if letter != "-"]
        for row in rows
    ]


def test_agreement_by_class_is_of_the_verdicts_for_it() -> None:
    """20 passes shared, 5 failures shared, 5 mixed: 40 of 45 and 10 of 15 verdicts are shared."""
    whole = compare_annotators(make_votes(*["pp"] * 20, *["ff"] * 5, *["pf"] * 2, *["fp"] * 3))
    assert (whole.on_pass.shared, whole.on_pass.given) == (40, 45)
    assert (whole.on_fail.shared, whole.on_fail.given) == (10, 15)
    assert whole.share == pytest.approx(25 / 30)
    expected = (22 * 23 + 8 * 7) / 900
    assert whole.kappa == pytest.approx((25 / 30 - expected) / (1 - expected))
    assert whole.interval
    assert -1 <= whole.interval.low < whole.kappa < whole.interval.high <= 1


def test_each_two_people_are_a_pair() -> None:
    """Three people on a question are three pairs; one person alone is none."""
    tables = count_pairs(make_votes("ppf", "p--", "--f"))
    assert {names: table.n for names, table in tables.items()} == {
        ("person 0", "person 1"): 1,
        ("person 0", "person 2"): 1,
        ("person 1", "person 2"): 1,
    }


def test_names_do_not_change_the_agreement_of_several_pairs() -> None:
    """Whoever comes first in a pair: over three people it is that of pairs that are alike."""
    forth, back = (
        compare_annotators(make_votes(*["pp-"] * 9, *[one] * 5, *["-ff"] * 4, *["ff-"] * 2))
        for one in ("pf-", "fp-")
    )
    passes = (2 * 9 + 5) / 40
    expected = passes**2 + (1 - passes) ** 2
    assert forth.kappa == back.kappa == pytest.approx((15 / 20 - expected) / (1 - expected))


@pytest.mark.parametrize("votes", [["pp"] * 9, ["pp"] * 50, ["ff"] * 50])
def test_kappa_is_not_measured_where_it_means_nothing(votes: list[str]) -> None:
    """Few pairs, and verdicts that are all alike, give none, however well people agree."""
    whole = compare_annotators(make_votes(*votes))
    assert whole.kappa is None
    assert whole.interval is None


def test_nobody_who_judged_twice_agrees_with_themselves() -> None:
    """Of two votes of one person the last one counts."""
    question = [Vote("ann", True), Vote("ben", True), Vote("ann", False)]
    assert compare_annotators([question]).table.fp == 1
