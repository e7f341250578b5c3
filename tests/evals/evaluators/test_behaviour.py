"""Promises of versions: a check that behaves differently has another behaviour number.

`behaviour.json` has each check's results on small fixtures under its present number. Where a
verdict changes, raise the check's number and record again with
`python -m tests.evals.evaluators.test_behaviour`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.evaluators import judges, registry
from evals.evaluators.code_checks import CodeCheck, TextCheck
from evals.records import Answer, AnswerStatus, Trace
from evals.specs import Judge

RECORDED = Path(__file__).with_name("behaviour.json")
OUTPUTS = (
    "",
    "plain words, please",
    '{"price": 12.5, "title": "Lamp"}',
    '```json\n{"price": "12.50"}\n```',
    "SELECT name FROM users JOIN orders ON 1 = 1;",
    "DROP TABLE users",
    "It costs 1,299 euros, 20% less than 1500.",
    "Write to ann@example.com or call +1 202 555 0143.",
    "sk-or-v1-" + "a1" * 32 + " opens the door",
    "AKIAIOSFODNN7EXAMPLE and password = 'hunter2hunter2'",
    "Das ist ein ganz gewöhnlicher deutscher Satz über das Wetter von gestern.",
    "1. first\n2. second\nThe 3rd of 10",
    "[redacted:email] wrote this",
)
ANSWERS = (
    '{"critique": "good", "verdict": "pass"}',
    '```json\n{"critique": "bad", "verdict": "fail"}\n```',
    'It holds {"critique": "", "verdict": "pass"}, so: fail',
    '{"verdict": "fail"} {"verdict": "pass"}',
    '{"verdict": "fail", "verdict": "pass"}',
    '{"verdict": "maybe"}',
    "{'critique': 'x', 'verdict': 'pass',}",
    'Here is my answer: {"verdict": "fail"}',
    '<think>{"verdict": "pass"}</think> {"verdict": "fail"}',
)
GOLD: dict[str, tuple[Any, ...]] = {
    "attributes": ({"price": 12.5, "title": "Lamp"}, {"price": None}, None),
    "attribute": ({"price": 12.5}, None),
    "attribute_names": ({"price": 12.5, "size": "L"}, None),
    "equals": ("plain words, please", None),
    "sql_equals": ("select name from users join orders on 1 = 1", None),
    "sql_reads_tables": (["users", "orders"], ["users"], None),
}
PARAMS: dict[str, dict[str, Any]] = {
    "answered": {},
    "attribute_names": {},
    "attributes": {},
    "equals": {},
    "numbers_in_source": {},
    "sql_equals": {},
    "sql_reads_tables": {},
    "json_schema": {"schema": {"type": "object", "required": ["price"]}},
    "json_keys": {"keys": ["price"]},
    "contains": {"values": ["please"]},
    "not_contains": {"values": ["DROP"]},
    "regex": {"pattern": r"\d+"},
    "attribute": {"name": "price"},
    "language": {"expected": ["en"]},
    "toxicity": {"threshold": 0.5},
    "prompt_injection": {"threshold": 0.1},
    "copied": {"source": True, "words": 2},
    "system_prompt_leak": {"canaries": ["please"]},
    "marked_spans": {"marks": [["It was ", ","]]},
    "topics": {"topics": {"manners": ["please"]}},
    "supported": {"words": 1, "least": 0.5},
}


def build_trace(output: str) -> Trace:
    """Builds a trace with this output."""
    question = "It was 1500, now 20% off. What does it cost?"
    status: AnswerStatus = "ok" if output else "empty"
    at = datetime(2026, 10, 1, tzinfo=UTC)
    return Trace("t", at, "app", output, question, context="1,299", status=status)


@functools.cache
def describe_behaviour() -> dict[str, Any]:
    """Describes every check's results on the fixtures, under its number."""
    behaviours: dict[str, Any] = {}
    for name, check in sorted(registry.shipped_types().items()):
        if isinstance(check, CodeCheck):
            params = PARAMS.get(name, dict(check.examples.params) if check.examples else {})
            rows = [
                check.run(build_trace(output), params, gold)
                for output in OUTPUTS
                for gold in GOLD.get(name, (check.examples and check.examples.gold,))
            ]
            examples = check.examples
            for trace in examples.traces() if examples else ():
                rows.append(check.run(trace, dict(examples.params), examples.gold))
            group = "guardrail" if isinstance(check, TextCheck) else "scorer"
            behaviours[f"{group} {name} {check.behaviour}"] = [encode_result(row) for row in rows]
    judge = Judge(judge="j", asks="?", model="m", system="Judge.")
    requests = [
        dataclasses.asdict(judges.build_request(judge, build_trace(output), None))
        for output in OUTPUTS
    ]
    behaviours[f"judge rendering {judges.RENDERING}"] = json.loads(json.dumps(requests))
    answers = [judges.read_verdict(judge, build_answer(answer)) for answer in ANSWERS]
    behaviours[f"judge reading {judges.BEHAVIOUR}"] = [encode_result(row) for row in answers]
    return behaviours


def build_answer(text: str) -> Answer:
    """Builds an answer of a judge's model."""
    about = {"content_key": "k", "answer_version": "v", "evaluator": "j", "app": "app"}
    none = dict.fromkeys(("probability", "code", "model_answered", "fingerprint", "created"))
    paid = {"attempts": 1, "tokens_in": 1, "tokens_out": 1, "cost_usd": 0.0, "retryable": False}
    return Answer(**about, **none, **paid, night=date(2026, 10, 1), model="m", text=text)  # type: ignore[arg-type]


def encode_result(row: Any) -> list[Any]:
    """Encodes a result as JSON without its wording."""
    name = type(row).__name__
    if name == "Outcome":
        return [name, row.passed, None if row.value is None else round(row.value, 3)]
    return [name, getattr(row, "code", None) or getattr(row, "reason", None)]


@pytest.mark.parametrize("name", sorted(describe_behaviour()))
def test_a_change_of_behaviour_has_another_number(name: str) -> None:
    """Under an unchanged number a check's results are the recorded ones."""
    recorded = json.loads(RECORDED.read_text())
    assert name in recorded, "a new check or number: record it, see this module's docstring"
    assert describe_behaviour()[name] == recorded[name]


def test_the_fixtures_tell_verdicts_apart() -> None:
    """Every check passes one fixture and does not pass another, so that a change would show."""
    for name, rows in describe_behaviour().items():
        if not name.startswith("judge rendering"):
            assert len({tuple(row[:2]) for row in rows}) > 1, name


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(describe_behaviour(), indent=0, sort_keys=True) + "\n")
