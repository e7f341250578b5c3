"""Promises of what a trace's page marks in passages, and of the traces that are like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reports.pages.passage_marks import mark_support
from evals.reports.similar_traces import rank_neighbours

PASSAGE = "Refunds take 14 days. The store opens at 9.30 every weekday!\nSee www.example.com."


@pytest.mark.parametrize(
    ("answer", "words", "marked"),
    [
        ("We choose store credit first, and refunds instead within a month, not 14 days.", [], []),
        ("Refunds take 14 days.", [], [("Refunds take 14 days.", "overlap")]),
        ("No.", ['"opens at 9.30 every" is in it'],
         [("The store opens at 9.30 every weekday!", "quoted")]),
        ("No.", ['it says "at 9"'], []),
        ("{}", [], []),
    ],
)  # fmt: skip
def test_a_sentence_is_marked_where_words_or_an_evaluator_show_it(
    answer: str, words: list[str], marked: list[tuple[str, str]]
) -> None:
    """By half of the words of a sentence of the answer, at least three, or by a quotation."""
    pieces = mark_support(PASSAGE, answer, words)
    assert [tuple(piece) for piece in pieces if piece.why] == marked


@given(st.text(max_size=200), st.text(max_size=60))
def test_marking_changes_no_text(text: str, answer: str) -> None:
    """The pieces of a passage are the passage."""
    assert "".join(piece.text for piece in mark_support(text, answer, [answer])) == text


def test_similar_requests_share_rare_words_and_failing_ones_come_first() -> None:
    """Words that most requests have do not make them alike; the order is the same every time."""
    texts = {
        "a": "Please cancel the kettle subscription",
        "b": "Please cancel my kettle subscription today",
        "c": "Please cancel that kettle subscription, thanks",
        "d": "Please send invoice again",
        **{f"x{n}": f"Please show order number{n}" for n in range(10)},
    }
    near = rank_neighbours(texts, {"c"})
    assert [name for name, _ in near["a"]] == ["c", "b"]
    assert near["d"] == []
    assert rank_neighbours({}, set()) == {}
