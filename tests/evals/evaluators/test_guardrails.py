"""Promises of the guardrails: what they find, what they never say, and how policy acts on it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals import Guard
from evals.evaluators import registry, resolution
from evals.evaluators.code_checks import TextCheck
from evals.evaluators.guardrails import judge_score
from evals.evaluators.protocol import WrongDeclaration
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
from evals.records import Failure, Outcome, Score, Skip, Trace
from evals.specs import App, Catalog, CatalogError, Evaluator, Guardrail

NIGHT = datetime.date(2026, 10, 1)
NOON = datetime.datetime(2026, 10, 1, 12, tzinfo=datetime.UTC)
KINDS = (*PII_KINDS, *SECRET_KINDS)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=200)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is resolved and no connection made while a guardrail works."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a guardrail reached for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


def run(name: str, output: str, **params: Any) -> Any:
    """A check's result on an output."""
    trace = Trace(trace_id="t", ts=NOON, app="a", output=output)
    check = registry.shipped_types()[name]
    assert isinstance(check, TextCheck)
    return check.run(trace, params)


def ruled(**spec: Any) -> Evaluator:
    """A guardrail resolved for an application."""
    policy = Guardrail.model_validate({"guardrail": "g", "question": "q", **spec})
    return resolution.build_guardrail(Catalog(root=Path("catalog")), App(app="a"), policy)


def joined(*parts: str) -> str:
    """A made-up secret put together here, so that no scanner finds it in this file."""
    return "".join(parts)


B64 = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY"
FOUND = [
    ("email", "jane.doe+x@example.co.uk"),
    ("email", "müller@exämple.de"),
    ("card", "4111 1111 1111 1111"),
    ("card", "378282246310005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB29NWBK60161331926819"),
    ("ssn", "219-09-9998"),
    ("ip", "203.0.113.7"),
    ("ip", "2001:db8::8a2e:370:7334"),
    ("phone", "(415) 555-2671"),
    ("phone", "+44 20 7946 0958"),
    ("aws-key", joined("AKIA", "IOSFODNN7EXAMPLQ")),
    ("github-token", joined("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789")),
    ("github-pat", joined("github_pat_", "11ABCDEFG0abcdefghij_klmnopq")),
    ("gitlab-token", joined("glpat-", "abcdefghij0123456789")),
    ("google-key", joined("AIza", "SyA1234567890abcdefghijklmnopqrstuv")),
    ("jwt", joined("eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxIn0.", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9")),
    ("openai-key", joined("sk-proj-", "a1" * 10, "T3BlbkFJ", "b2" * 10)),
    ("slack-token", joined("xoxb-", "123456789012-123456789012-abcdefabcdef")),
    ("stripe-key", joined("sk_live_", "4eC39HqLyjWDarjtT1zdp7dc")),
    ("sendgrid-key", joined("SG.", "a" * 22, ".", "b" * 43)),
    ("azure-key", joined("AccountKey=", "a1" * 43, "==")),
    ("telegram-token", joined("110201543:", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1")),
    ("pypi-token", joined("pypi-AgEIcHlwaS5vcmc", "a1" * 36)),
    ("anthropic-key", joined("sk-ant-", "api03-abcdefghijklmnopqrst")),
    (
        "private-key",
        f"-----BEGIN RSA PRIVATE KEY-----\n{B64}\n{B64}=\n-----END RSA PRIVATE KEY-----",
    ),
    ("private-key", f"-----BEGIN PRIVATE KEY-----\n{B64}\n{B64}"),
]


@pytest.mark.parametrize(("kind", "value"), FOUND)
def test_a_value_is_found_and_wholly_redacted(kind: str, value: str) -> None:
    """Each kind is found in running text, and nothing of the value stays behind."""
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
def test_a_value_called_a_secret_is_one(text: str, value: str) -> None:
    """What is given to a password, key or token is found by its name and its randomness."""
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
def test_what_only_looks_alike_is_left_alone(text: str) -> None:
    """Dates, versions, placeholders and wrong check digits trip nothing and stay as they are."""
    assert find_all(text, KINDS) == []
    assert build_redactor(KINDS)(text) == text


@pytest.mark.parametrize("name", ["pii", "secrets"])
def test_an_explanation_tells_kind_and_place_and_never_the_value(name: str) -> None:
    """Whoever reads a report learns what was found where, not what it was."""
    kinds = PII_KINDS if name == "pii" else SECRET_KINDS
    for kind, value in (pair for pair in FOUND if pair[0] in kinds):
        found = run(name, f"it is {value} .")
        assert not found.passed
        assert found.value is not None
        assert found.value >= 1
        assert "in output at 6–" in found.explanation
        assert not any(piece in found.explanation for piece in value.split() if len(piece) > 3)
        assert kind


def test_only_the_kinds_asked_for_are_looked_for() -> None:
    """An allow-list in the params decides which kinds count."""
    text = "a@example.com from 203.0.113.7"
    assert run("pii", text).value == 2
    assert run("pii", text, kinds=["email"]).value == 1
    assert run("pii", text, kinds=["card"]).passed


@pytest.mark.parametrize("kind", KINDS)
def test_a_mark_of_an_earlier_redaction_still_trips(kind: str) -> None:
    """Data that was redacted at the door counts at night, and redacting again changes nothing."""
    text = f"Write to {format_mark(kind)} today."
    assert [finding.kind for finding in find_all(text, KINDS)] == [kind]
    assert build_redactor(KINDS)(text) == text
    assert not run("pii" if kind in PII_KINDS else "secrets", text).passed


def test_a_number_behind_another_is_found_once_the_first_is_gone() -> None:
    """Redaction goes on until nothing is left to find."""
    clean = build_redactor(KINDS)(
        "order 1234 4111 1111 1111 1111 / 4111111111111111 5500005555555559"
    )
    assert clean == "order 1234 [redacted:card] / [redacted:card] [redacted:card]"


PLANTED = st.lists(st.tuples(ANY_TEXT, st.sampled_from([value for _, value in FOUND])), max_size=4)


@settings(deadline=None)  # the first reading loads models
@given(PLANTED)
def test_redaction_never_leaves_a_finding(pieces: list[tuple[str, str]]) -> None:
    """After redaction only marks are found, and redacting twice is redacting once."""
    clean = build_redactor(KINDS)("".join(f"{text} {value} " for text, value in pieces))
    for finding in find_all(clean, KINDS):
        assert clean[finding.start : finding.end] == format_mark(finding.kind)
    assert build_redactor(KINDS)(clean) == clean


@settings(deadline=None)  # the first reading loads models
@given(ANY_TEXT, st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 99)), max_size=5))
def test_overlapping_findings_leave_nothing_between_them(
    text: str, starts: list[tuple[str, int]]
) -> None:
    """Every character inside some finding is gone, every other one is kept in order."""
    spans = [Finding(kind, at, at + 7) for kind, at in starts if at + 7 <= len(text)]
    inside = {i for span in spans for i in range(span.start, span.end)}
    kept = "".join(char for i, char in enumerate(text) if i not in inside)
    clean = apply_marks(text, spans)
    for kind in KINDS:
        clean = clean.replace(format_mark(kind), "") if format_mark(kind) not in text else clean
    assert clean == kept


@settings(deadline=None)  # the first reading loads models
@given(ANY_TEXT)
def test_no_text_makes_a_check_raise(text: str) -> None:
    """Whatever a model says, lone surrogates too, each check gives an outcome or a reason."""
    for name, params in (("pii", {}), ("secrets", {}), ("language", {"expected": "en"})):
        assert isinstance(run(name, text, **params), Outcome | Skip)


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
    """No text of a megabyte stops the line, however it is made; the first reading loads models."""
    for name, params in (("pii", {}), ("secrets", {}), ("language", {"expected": "en"})):
        assert isinstance(run(name, text, **params), Outcome | Skip)


ENGLISH = "The order was shipped on Monday and should arrive within three days."
GERMAN = "Die Bestellung wurde am Montag verschickt und sollte in drei Tagen ankommen."
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
    """Prose in an expected language passes, other prose fails and is named."""
    found = run("language", text, expected=expected)
    assert found.passed is passed
    assert ("reads as" in found.explanation) is not passed


SKIPPED = [
    ("Yes.", "en", "too-short"),
    ("", "en", "too-short"),
    ("SELECT name, total FROM orders WHERE customer = 'Anna'", "en", "not-prose"),
    ('{"brand": "Florsheim", "model": "Milano Slip-On", "colour": "Burgundy"}', "en", "not-prose"),
    ("```\nfor item in basket: print(item.name)\n```", "en", "not-prose"),
    (GERMAN, [], "no-expected-language"),
]


@pytest.mark.parametrize(("text", "expected", "reason"), SKIPPED)
def test_what_has_no_language_is_skipped(text: str, expected: Any, reason: str) -> None:
    """A word, a query or a record is no prose: no verdict, and the reason is told."""
    assert run("language", text, expected=expected) == Skip(reason)


BAD = [
    ("pii", "flag", {"kinds": ["passport"]}, "no kind 'passport'"),
    ("secrets", "flag", {"kinds": ["email"]}, "no kind 'email'"),
    ("pii", "flag", {"on_error": "ignore"}, "on_error"),
    ("language", "flag", {"expects": "en"}, "expects"),
    ("language", "redact", {}, "finds no place to redact"),
]


@pytest.mark.parametrize(("check", "action", "params", "words"), BAD)
def test_a_guardrail_that_cannot_work_is_refused(
    check: Any, action: Any, params: Any, words: str
) -> None:
    """What a catalog sets wrong is told with its key when it is loaded."""
    with pytest.raises(WrongDeclaration, match=words):
        ruled(check=check, action=action, params=params)


def scored(**changes: Any) -> Score:
    """A guardrail's row in the ledger."""
    row = {
        "trace_id": "t",
        "night": NIGHT,
        "app": "a",
        "dimension": "g",
        "evaluator": "g",
        "evaluator_version": "v",
        "kind": "guardrail",
        "status": "scored",
        "verdict": "fail",
        "value": 1.0,
        "explanation": "email in output at 0–5",
        "code": None,
    }
    return Score(**{**row, **changes})


DECIDED = [
    ({}, {}, (True, "redact")),
    ({"verdict": "pass"}, {}, (False, "none")),
    ({"status": "error", "verdict": None, "code": "check-error"}, {}, (False, "flag")),
    ({"status": "error", "verdict": None}, {"on_error": "block"}, (False, "block")),
    ({"status": "error", "verdict": None}, {"on_error": "allow"}, (False, "none")),
]


@pytest.mark.parametrize(("row", "params", "expected"), DECIDED)
def test_a_score_becomes_an_action_by_policy(row: Any, params: Any, expected: Any) -> None:
    """Only a failed check trips; one that could not be made says so and acts by `on_error`."""
    spec = Guardrail(guardrail="g", question="q", check="pii", action="redact", params=params)
    verdict = judge_score(scored(**row), spec)
    assert verdict is not None
    assert (verdict.tripped, verdict.action) == expected
    assert verdict.explanation.startswith("not checked") is (row.get("status") == "error")


def test_a_skipped_check_gives_no_verdict() -> None:
    """What did not apply is neither tripped nor passed."""
    spec = Guardrail(guardrail="g", question="q", check="pii")
    assert judge_score(scored(status="skipped", verdict=None), spec) is None


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A team's catalog with one guardrail of each check."""
    for name, text in {
        "apps/shop.yaml": "app: shop\nlanguage: en\n",
        "guardrails/language.yaml": "guardrail: language\nquestion: q\ncheck: language\n",
        "guardrails/pii.yaml": "guardrail: pii\nquestion: q\ncheck: pii\naction: redact\n",
        "guardrails/keys.yaml": (
            "guardrail: keys\nquestion: q\ncheck: secrets\naction: block\nseverity: high\n"
            "reads: [input, output]\napps: [shop]\n"
        ),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_guard_acts_in_the_request_path_as_the_catalog_says(catalog: Path) -> None:
    """Clean text leaves unchanged, personal data is redacted, a key blocks the answer."""
    guard = Guard.from_catalog(catalog, app="shop")
    assert guard.apply(ENGLISH).text == ENGLISH
    redacted = guard.apply(f"{ENGLISH} Write to a@example.com.")
    assert (redacted.text, redacted.blocked) == (f"{ENGLISH} Write to [redacted:email].", False)
    blocked = guard.apply(f"{ENGLISH} {FOUND[11][1]}")
    assert (blocked.text, blocked.blocked) == (None, True)
    tripped = [result for result in guard.check(output=GERMAN) if result.tripped]
    assert [(r.guardrail, r.action, r.severity) for r in tripped] == [
        ("language", "flag", "medium")
    ]


def test_the_guard_asks_only_what_it_has_the_text_for(catalog: Path) -> None:
    """A guardrail over a text that was not given has no result, so none that looks passed."""
    guard = Guard.from_catalog(catalog, app="shop")
    assert [result.guardrail for result in guard.check(input="hello")] == ["keys"]
    other = Guard.from_catalog(catalog, app="other").check(output=GERMAN)
    assert [(r.guardrail, r.tripped, r.error) for r in other] == [
        ("language", False, "skipped: no-expected-language"),
        ("pii", False, None),
    ]


BROKEN = [
    ({}, "flag", False),
    ({"on_error": "block"}, "block", True),
    ({"on_error": "allow"}, "none", False),
]


@pytest.mark.parametrize(("params", "action", "blocked"), BROKEN)
def test_a_check_that_breaks_is_an_error_and_never_passed(
    monkeypatch: pytest.MonkeyPatch, params: Any, action: str, blocked: bool
) -> None:
    """A defect fails open or closed as the guardrail says, and its text is not repeated."""

    def broken(fields: Any, params: Any) -> Outcome:
        raise RuntimeError(f"cannot read {fields['output']}")

    known: Any = registry.shipped_types()["pii"]
    defective = dataclasses.replace(known, function=broken)
    monkeypatch.setitem(registry.shipped_types(), "pii", defective)
    guarded = Guard((ruled(check="pii", action="redact", params=params),)).apply("a@example.com")
    (result,) = guarded.results
    assert (result.tripped, result.action, guarded.blocked) == (False, action, blocked)
    assert result.error == "check-error: pii: RuntimeError"
    assert isinstance(run("pii", "x"), Failure)


def test_a_guardrail_is_a_policy_over_any_evaluator_that_needs_no_gold() -> None:
    """An assertion acts in the request path under the policy that names it."""
    words = {"values": ["refund"], "ignore_case": True}
    rule = ruled(check="not_contains", params=words, action="block", severity="high")
    blocked = Guard((rule,)).apply("Your REFUND is on its way.")
    assert (blocked.blocked, blocked.results[0].severity) == (True, "high")
    assert Guard((rule,)).apply("Hello.").text == "Hello."
    same = ruled(check={"assertion": "not_contains"}, params=words, action="block")
    assert same.version == rule.version


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"check": "equals"}, "check: `equals` compares with gold"),
        ({"check": "fax"}, "check: no check 'fax'; known: contains"),
        ({"check": "recorded"}, "check: no check 'recorded'"),
        ({"check": {"judge": "tone"}}, "judge: no judge 'tone'"),
        ({"check": {"oracle": "x"}}, "oracle: no kind 'oracle'; known: assertion, judge"),
        ({"check": "contains", "params": {"value": "a"}}, "params.value"),
        ({"check": "contains", "params": {"values": ["a"]}, "reads": ["input"]}, "reads: .*output"),
    ],
)
def test_a_policy_over_what_cannot_guard_is_refused(spec: Any, words: str) -> None:
    """What needs gold, is unknown, or reads something else is refused with its key."""
    with pytest.raises(WrongDeclaration, match=words):
        ruled(**spec)


def test_a_check_slower_than_its_latency_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits no longer than the policy says; `on_error` decides what becomes of it."""
    slow, known = threading.Event(), registry.shipped_types()["pii"]

    def wait(*_: Any) -> Outcome:
        slow.wait(10)
        return Outcome(True)

    defective = dataclasses.replace(known, function=wait)  # type: ignore[type-var]
    monkeypatch.setitem(registry.shipped_types(), "pii", defective)
    rule = ruled(check="pii", latency_ms=20, on_error="block")
    guarded = Guard((rule,)).apply("hello")
    slow.set()
    assert guarded.blocked
    assert guarded.results[0].error == "too-slow: not done within 20 ms"
    assert not Guard((rule,)).apply("hello").blocked


def test_a_wrong_guardrail_is_refused_with_its_file(catalog: Path) -> None:
    """The error names the file, so that a person knows where to look."""
    path = catalog / "guardrails" / "pii.yaml"
    path.write_text("guardrail: pii\nquestion: q\ncheck: pii\nparams: {kinds: [fax]}\n")
    with pytest.raises(CatalogError, match=r"pii\.yaml:4: params.kinds: no kind 'fax'"):
        Guard.from_catalog(catalog, app="shop")


def test_the_guard_imports_neither_the_platform_nor_a_model() -> None:
    """An application pays for a check's libraries when it first uses that check."""
    heavy = "dagster dbt great_expectations pandas duckdb pyarrow spacy presidio_analyzer sqlglot"
    code = f"import sys; from evals import Guard; print(set('{heavy}'.split()) & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_every_kind_has_a_detector_of_its_own() -> None:
    """Kinds are distinct, and a guardrail may name each of them."""
    assert len(DETECTORS) == len(KINDS) == len(set(KINDS))
