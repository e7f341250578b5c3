"""Promises of guardrails: how a policy acts on its evaluator's result."""

from __future__ import annotations

import dataclasses
import datetime
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from evals import Guard
from evals.evaluators import registry, resolution
from evals.evaluators.guardrails import judge_score
from evals.evaluators.protocol import WrongDeclaration
from evals.records import Failure, Outcome, Score
from evals.specs import App, Catalog, CatalogError, Evaluator, Guardrail
from tests.evals.evaluators.samples import ENGLISH, GERMAN, SAMPLES, offline, run_text_check  # noqa: F401

NIGHT = datetime.date(2026, 10, 1)


def build_guardrail(**spec: Any) -> Evaluator:
    """Builds a guardrail resolved for an application."""
    policy = Guardrail.model_validate({"guardrail": "g", "question": "q", **spec})
    return resolution.build_guardrail(Catalog(root=Path("catalog")), App(app="a"), policy)


REFUSED = [
    ("pii", "flag", {"kinds": ["passport"]}, "no kind 'passport'"),
    ("secrets", "flag", {"kinds": ["email"]}, "no kind 'email'"),
    ("pii", "flag", {"on_error": "ignore"}, "on_error"),
    ("language", "flag", {"expects": "en"}, "expects"),
    ("language", "redact", {}, "finds no place to redact"),
]


@pytest.mark.parametrize(("check", "action", "params", "words"), REFUSED)
def test_a_guardrail_that_cannot_work_is_refused(
    check: Any, action: Any, params: Any, words: str
) -> None:
    """A catalog's mistake is refused with its key when it is loaded."""
    with pytest.raises(WrongDeclaration, match=words):
        build_guardrail(check=check, action=action, params=params)


def build_score(**changes: Any) -> Score:
    """Builds a guardrail's row of the ledger."""
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


POLICIES = [
    ({}, {}, (True, "redact")),
    ({"verdict": "pass"}, {}, (False, "none")),
    ({"status": "error", "verdict": None, "code": "check-error"}, {}, (False, "flag")),
    ({"status": "error", "verdict": None}, {"on_error": "block"}, (False, "block")),
    ({"status": "error", "verdict": None}, {"on_error": "allow"}, (False, "none")),
]


@pytest.mark.parametrize(("row", "params", "expected"), POLICIES)
def test_a_score_becomes_an_action_by_policy(row: Any, params: Any, expected: Any) -> None:
    """Only a failed check trips; one with an error has it explained and acts by `on_error`."""
    spec = Guardrail(guardrail="g", question="q", check="pii", action="redact", params=params)
    verdict = judge_score(build_score(**row), spec)
    assert verdict is not None
    assert (verdict.tripped, verdict.action) == expected
    assert verdict.explanation.startswith("not checked") is (row.get("status") == "error")


def test_a_skipped_check_gives_no_verdict() -> None:
    """A check that did not apply is neither tripped nor passed."""
    spec = Guardrail(guardrail="g", question="q", check="pii")
    assert judge_score(build_score(status="skipped", verdict=None), spec) is None


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Writes a team's catalog with one guardrail of each check."""
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


def test_the_guard_acts_in_the_request_path_by_the_catalog(catalog: Path) -> None:
    """Clean text is unchanged, personal data is redacted, and a key blocks the answer."""
    guard = Guard.from_catalog(catalog, app="shop")
    assert guard.apply(ENGLISH).text == ENGLISH
    redacted = guard.apply(f"{ENGLISH} Write to a@example.com.")
    assert (redacted.text, redacted.blocked) == (f"{ENGLISH} Write to [redacted:email].", False)
    blocked = guard.apply(f"{ENGLISH} {SAMPLES[11][1]}")
    assert (blocked.text, blocked.blocked) == (None, True)
    tripped = [result for result in guard.check(output=GERMAN) if result.tripped]
    assert [(r.guardrail, r.action, r.severity) for r in tripped] == [
        ("language", "flag", "medium")
    ]


def test_the_guard_checks_only_the_given_texts(catalog: Path) -> None:
    """A guardrail over a text that was not given has no result."""
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
    """A defect fails open or closed by `on_error`, and its message is not repeated."""

    def fail(fields: Any, params: Any) -> Outcome:
        raise RuntimeError(f"cannot read {fields['output']}")

    shipped: Any = registry.shipped_types()["pii"]
    defective = dataclasses.replace(shipped, function=fail)
    monkeypatch.setitem(registry.shipped_types(), "pii", defective)
    guarded = Guard((build_guardrail(check="pii", action="redact", params=params),)).apply(
        "a@example.com"
    )
    (result,) = guarded.results
    assert (result.tripped, result.action, guarded.blocked) == (False, action, blocked)
    assert result.error == "check-error: pii: RuntimeError"
    assert isinstance(run_text_check("pii", "x"), Failure)


def test_a_guardrail_is_a_policy_over_any_evaluator_that_needs_no_gold() -> None:
    """An assertion acts in the request path under the policy that names it."""
    words = {"values": ["refund"], "ignore_case": True}
    rule = build_guardrail(check="not_contains", params=words, action="block", severity="high")
    blocked = Guard((rule,)).apply("Your REFUND is on its way.")
    assert (blocked.blocked, blocked.results[0].severity) == (True, "high")
    assert Guard((rule,)).apply("Hello.").text == "Hello."
    same = build_guardrail(check={"assertion": "not_contains"}, params=words, action="block")
    assert same.version == rule.version


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"check": "equals"}, "check: `equals` compares with gold"),
        ({"check": "fax"}, "check: no check 'fax'; known: answered, "),
        ({"check": "recorded"}, "check: no check 'recorded'"),
        ({"check": {"judge": "tone"}}, "judge: no judge 'tone'"),
        ({"check": {"oracle": "x"}}, "oracle: no kind 'oracle'; known: assertion, classifier"),
        ({"check": "contains", "params": {"value": "a"}}, "params.value"),
        ({"check": "contains", "params": {"values": ["a"]}, "reads": ["input"]}, "reads: .*output"),
    ],
)
def test_a_policy_over_what_cannot_guard_is_refused(spec: Any, words: str) -> None:
    """What needs gold, is unknown, or reads something else is refused with its key."""
    with pytest.raises(WrongDeclaration, match=words):
        build_guardrail(**spec)


def test_a_check_slower_than_its_latency_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits no longer than the policy's latency; `on_error` decides then."""
    slow, shipped = threading.Event(), registry.shipped_types()["pii"]

    def wait(*_: Any) -> Outcome:
        slow.wait(10)
        return Outcome(True)

    defective = dataclasses.replace(shipped, function=wait)  # type: ignore[type-var]
    monkeypatch.setitem(registry.shipped_types(), "pii", defective)
    rule = build_guardrail(check="pii", latency_ms=20, on_error="block")
    guarded = Guard((rule,)).apply("hello")
    slow.set()
    assert guarded.blocked
    assert guarded.results[0].error == "too-slow: not done within 20 ms"
    assert not Guard((rule,)).apply("hello").blocked


def test_a_wrong_guardrail_is_refused_with_its_file(catalog: Path) -> None:
    """The error names the file and its line."""
    path = catalog / "guardrails" / "pii.yaml"
    path.write_text("guardrail: pii\nquestion: q\ncheck: pii\nparams: {kinds: [fax]}\n")
    with pytest.raises(CatalogError, match=r"pii\.yaml:4: params.kinds: no kind 'fax'"):
        Guard.from_catalog(catalog, app="shop")


def test_the_guard_imports_neither_the_platform_nor_a_model() -> None:
    """An application pays for a check's libraries when it first uses that check."""
    heavy = "dagster dbt great_expectations pandas duckdb pyarrow spacy presidio_analyzer sqlglot"
    code = f"import sys; from evals import Guard; print(set('{heavy}'.split()) & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
