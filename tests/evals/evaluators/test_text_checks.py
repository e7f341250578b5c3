"""Promises of text checks: they detect values, spare look-alikes, and repeat no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.evaluators.languages import read_language
from evals.privacy.detectors import (
    DETECTORS,
    PII_KINDS,
    SECRET_KINDS,
    Finding,
    apply_marks,
    build_redactor,
    find_all,
    format_mark,
)
from evals.records import Outcome, Skip
from tests.evals.evaluators.samples import ENGLISH, GERMAN, SAMPLES, offline, run_text_check  # noqa: F401

KINDS = (*PII_KINDS, *SECRET_KINDS)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=200)


@pytest.mark.parametrize(("kind", "value"), SAMPLES)
def test_a_value_is_detected_and_wholly_redacted(kind: str, value: str) -> None:
    """Each kind is detected in running text, and no part of the value remains."""
    text = f"Please write it down:  {value} , and go on."
    assert Finding(kind, 23, 23 + len(value)) in find_all(text, (kind,))
    clean = build_redactor((kind,))(text)
    assert clean.startswith("Please write it down:  [redacted:")
    assert not any(piece in clean for piece in value.split() if len(piece) > 3)
    assert clean.endswith("and go on.")


ASSIGNED = [
    ("password = 'hunter2x9'", "hunter2x9"),
    ("The password is Tr0ub4dor&3.", "Tr0ub4dor&3"),
    ('{"api_key": "9f8e7d6c5b4a39281706"}', "9f8e7d6c5b4a39281706"),
    ("Authorization: Bearer f3a9c81be7d24c05a6", "f3a9c81be7d24c05a6"),
    ("see postgres://bob:s3cr3t@db/x", "s3cr3t"),
]


@pytest.mark.parametrize(("text", "value"), ASSIGNED)
def test_a_value_named_a_secret_is_redacted(text: str, value: str) -> None:
    """The value of a password, key or token is detected by its name and its randomness."""
    assert value not in build_redactor(SECRET_KINDS)(text)


HARMLESS = [
    "Call it a draw: 3 to 2, on 2023-10-08 at 10:30:45, order 1696768264.",
    "The password must have at least 8 characters; the token limit is 4096.",
    'password = "your_password1" and api_key: <YOUR_API_KEY_1> and secret=${SECRET_9}',
    "Version 2.1.3 of std::vector and 1,234,567 rows; see @someone on GitHub.",
    "Card 4111 1111 1111 1112 has a wrong check digit, as has DE88370400440532013000.",
    "localhost is 127.0.0.1, the mask 255.255.255.0, and 0.0.0.0 is nobody.",
    "user@localhost is no address, nor is name@host.invalidsuffix.",
    "SSN examples such as 123-45-6789 and 000-12-3456 are never issued.",
    "SELECT id FROM t WHERE ts > 1696768264 AND sku = 'B07X4K9QTL';",
    "The commit is 85c2b1e7f3a9c81be7d24c05a6f00b19c81be7d2, by token count.",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_look_alikes_are_not_detected(text: str) -> None:
    """Dates, versions, placeholders and wrong check digits are neither reported nor redacted."""
    assert find_all(text, KINDS) == []
    assert build_redactor(KINDS)(text) == text


@pytest.mark.parametrize("name", ["pii", "secrets"])
def test_an_explanation_has_kind_and_place_and_never_the_value(name: str) -> None:
    """A report's reader sees the kind and the position of a value, and not the value."""
    kinds = PII_KINDS if name == "pii" else SECRET_KINDS
    for kind, value in (pair for pair in SAMPLES if pair[0] in kinds):
        outcome = run_text_check(name, f"it is {value} .")
        assert not outcome.passed
        assert outcome.value is not None
        assert outcome.value >= 1
        assert "in output at 6–" in outcome.explanation
        assert not any(piece in outcome.explanation for piece in value.split() if len(piece) > 3)
        assert kind


def test_only_the_chosen_kinds_are_detected() -> None:
    """The params' `kinds` decide which kinds count."""
    text = "a@example.com from 203.0.113.7"
    assert run_text_check("pii", text).value == 2
    assert run_text_check("pii", text, kinds=["email"]).value == 1
    assert run_text_check("pii", text, kinds=["card"]).passed


@pytest.mark.parametrize("kind", KINDS)
def test_a_mark_of_an_earlier_redaction_still_trips(kind: str) -> None:
    """Text redacted at ingest fails the check, and redacting it again changes nothing."""
    text = f"Write to {format_mark(kind)} today."
    assert [finding.kind for finding in find_all(text, KINDS)] == [kind]
    assert build_redactor(KINDS)(text) == text
    assert not run_text_check("pii" if kind in PII_KINDS else "secrets", text).passed


def test_a_number_behind_another_is_redacted_too() -> None:
    """Redaction repeats until no value is detected."""
    clean = build_redactor(KINDS)(
        "order 1234 4111 1111 1111 1111 / 4111111111111111 5500005555555559"
    )
    assert clean == "order 1234 [redacted:card] / [redacted:card] [redacted:card]"


PLANTED = st.lists(
    st.tuples(ANY_TEXT, st.sampled_from([value for _, value in SAMPLES])), max_size=4
)


@given(PLANTED)
def test_redaction_never_leaves_a_finding(pieces: list[tuple[str, str]]) -> None:
    """After redaction only marks are detected, and redacting twice is redacting once."""
    clean = build_redactor(KINDS)("".join(f"{text} {value} " for text, value in pieces))
    for finding in find_all(clean, KINDS):
        assert clean[finding.start : finding.end] == format_mark(finding.kind)
    assert build_redactor(KINDS)(clean) == clean


@given(ANY_TEXT, st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 99)), max_size=5))
def test_overlapping_findings_leave_nothing_between_them(
    text: str, starts: list[tuple[str, int]]
) -> None:
    """Characters inside a finding are removed, and all others remain in order."""
    spans = [Finding(kind, at, at + 7) for kind, at in starts if at + 7 <= len(text)]
    inside = {i for span in spans for i in range(span.start, span.end)}
    remaining = "".join(char for i, char in enumerate(text) if i not in inside)
    clean = apply_marks(text, spans)
    for kind in KINDS:
        clean = clean.replace(format_mark(kind), "") if format_mark(kind) not in text else clean
    assert clean == remaining


@given(ANY_TEXT)
def test_no_text_makes_a_check_raise(text: str) -> None:
    """On any text, lone surrogates too, each check yields an outcome or a reason."""
    for name, params in (("pii", {}), ("secrets", {}), ("language", {"expected": "en"})):
        assert isinstance(run_text_check(name, text, **params), Outcome | Skip)


HUGE = {
    "prose": "lorem ipsum 12 dolor " * 50_000,
    "one word": "a" * 1_000_000,
    "at signs": "a@" * 500_000,
    "slow local part": "a!" * 500_000 + "@",
    "key headers": "-----BEGIN PRIVATE KEY-----" * 37_000,
    "passwords": "password " * 110_000,
    "deep JSON": "[" * 500_000 + "]" * 500_000,
    "surrogates": "\ud800" * 1_000_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_a_megabyte_is_read_in_seconds(text: str) -> None:
    """No text of a megabyte stalls a check, however it is made."""
    for name, params in (("pii", {}), ("secrets", {}), ("language", {"expected": "en"})):
        assert isinstance(run_text_check(name, text, **params), Outcome | Skip)


LANGUAGES = [
    (ENGLISH, "en", True),
    (ENGLISH.upper(), "en", True),
    (GERMAN, "en", False),
    (GERMAN, ["en", "de"], True),
    ("ご注文の商品は月曜日に発送されました。三日以内に届きます。", "ja", True),
    ("Заказ был отправлен в понедельник и прибудет через три дня.", "en", False),
    (json.dumps({"summary": GERMAN, "id": "English words here"}), "en", False),
    (f"{ENGLISH}\n```python\nprint('Guten Tag, wie geht es Ihnen heute?')\n```", "en", True),
]


@pytest.mark.parametrize(("text", "expected", "passed"), LANGUAGES)
def test_language(text: str, expected: Any, passed: bool) -> None:
    """Prose in an expected language passes; other prose fails with its language."""
    outcome = run_text_check("language", text, expected=expected)
    assert outcome.passed is passed
    assert ("reads as" in outcome.explanation) is not passed


SKIPPED = [
    ("Yes.", "en", "too-short"),
    ("", "en", "too-short"),
    ("SELECT name, total FROM orders WHERE customer = 'Anna'", "en", "not-prose"),
    ('{"brand": "Florsheim", "model": "Milano Slip-On", "colour": "Burgundy"}', "en", "not-prose"),
    ("```\nfor item in basket: print(item.name)\n```", "en", "not-prose"),
    (GERMAN, [], "no-expected-language"),
]


@pytest.mark.parametrize(("text", "expected", "reason"), SKIPPED)
def test_text_without_a_language_is_skipped(text: str, expected: Any, reason: str) -> None:
    """A word, a query or a record is not prose: it has a reason and no verdict."""
    assert run_text_check("language", text, expected=expected) == Skip(reason)


def test_every_kind_has_a_detector_of_its_own() -> None:
    """Kinds are distinct, and a guardrail may name each of them."""
    assert len(DETECTORS) == len(KINDS) == len(set(KINDS))


@pytest.mark.parametrize("name", ["en-US", "EN", "eng", "English", "en_GB", " english "])
def test_a_language_is_recognised_by_name_and_region(name: str) -> None:
    """Codes of any kind, names and regions all count."""
    text = "This is a perfectly ordinary English sentence about the weather."
    assert run_text_check("language", text, expected=name).passed
    assert read_language("Deutsch") == read_language("ger") == "de"


@pytest.mark.parametrize("unknown", ["Englisch", "xx", "", "klingon"])
def test_an_unknown_language_is_refused(unknown: str) -> None:
    """A language that cannot be detected would fail every answer."""
    with pytest.raises(ValueError, match="can be detected"):
        run_text_check("language", "whatever it is", expected=unknown)
