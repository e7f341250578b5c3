"""Promises of what shows that a request was not met: answers, and the turns of a session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals.evaluators.refusals import is_apology, is_refusal
from evals.topics.sessions import PartCounts, Turn, is_rephrasing, judge_session

PAIRS = [
    json.loads(line)
    for line in Path(__file__).with_name("rephrasings.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize(
    "output",
    [
        "I’m sorry, but I can’t help with that.",
        "As an AI language model, I do not have access to your account.",
        "Unfortunately I am unable to see your order.",
        "Ich kann Ihnen dabei nicht helfen.",
        "Je ne peux pas répondre à cette question.",
        "Lo siento, no puedo ayudar con eso.",
        "申し訳ありませんが、その質問にはお答えできません。",
        "抱歉，我无法回答这个问题。",
        "عذرا، لا أستطيع المساعدة في ذلك.",
    ],
)
def test_a_refusal_is_found_in_any_language(output: str) -> None:
    """By the words it begins with, whatever its apostrophes."""
    assert is_refusal(output)


@pytest.mark.parametrize(
    "output",
    [
        "Your parcel arrives on Friday.",
        "SELECT COUNT(*) FROM orders",
        "You can cancel it in your account.",
        "Mist! Leidenschaft.",
        "",
        "x" * 400 + " I can't help with that.",
    ],
)
def test_an_answer_is_no_refusal(output: str) -> None:
    """Neither is one that refuses far from its beginning, or has a part of a phrase in a word."""
    assert not is_refusal(output)
    assert not is_apology(output)


@pytest.mark.parametrize(
    "output",
    [
        "We apologise for the delay.",
        "Es tut mir leid.",
        "Leider nein.",
        "申し訳ございません",
        "للأسف لا",
    ],
)
def test_an_apology_is_found(output: str) -> None:
    """Regret counts; it is no refusal."""
    assert is_apology(output)
    assert not is_refusal(output)


def test_rephrasings_are_told_from_other_requests() -> None:
    """On labelled turns in seven languages, written for this test: few are wrong."""
    texts = [pair[key] for pair in PAIRS for key in ("first", "then")]
    counts = PartCounts()
    for text in texts:
        counts.add_text(text)
    wrong = [
        pair
        for pair in PAIRS
        if pair["rephrased"]
        != is_rephrasing(counts.read_text(pair["first"]), counts.read_text(pair["then"]), counts)
    ]
    assert len(wrong) <= len(PAIRS) / 20, wrong


def judge(*turns: tuple[str, bool]) -> list[str]:
    """The ways in which each turn was not met."""
    made = [Turn(str(number), text, failed) for number, (text, failed) in enumerate(turns)]
    texts = [turn.text for turn in made] + ["an order", "the shop", "my bill", "a lamp"]
    counts = PartCounts()
    for text in texts:
        counts.add_text(text)
    judged = judge_session(made, counts)
    return [" ".join(name for name, value in one._asdict().items() if value) for one in judged]


def test_a_request_asked_again_was_not_met_the_first_time() -> None:
    """The turns before the last are repeated; case, spaces and signs do not matter."""
    again = judge(("Where is it?", False), ("thanks", False), ("where  is IT", False))
    assert again == ["repeated", "", ""]
    assert judge(("order 12", False), ("order 13", False)) == ["", ""]
    assert judge(("", False), ("", False), ("?", False)) == ["", "", ""]


def test_a_request_asked_in_other_words_was_not_met() -> None:
    """The next turn decides; the answer in between is what did not help."""
    turns = ("I want to cancel my subscription", False), ("cancel the subscription", False)
    assert judge(*turns) == ["rephrased", ""]


def test_a_session_that_ends_with_a_failure_was_abandoned() -> None:
    """Not one that goes on after it, nor one that ends well."""
    assert judge(("a lamp", True)) == ["abandoned"]
    assert judge(("a lamp", True), ("my bill", False)) == ["", ""]
    assert judge(("a lamp", False), ("my bill", True)) == ["", "abandoned"]
