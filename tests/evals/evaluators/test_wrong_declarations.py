"""Each declaration that cannot work is refused at the file, the line and the key to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.specs import load_catalog
from evals.validation.catalog_checks import find_problems
from tests.catalog_files import write_catalog

JUDGE = {"judge": "tone", "asks": "Kind?", "model": "m", "system": "Judge."}
FILES = {
    "catalog.yaml": {"title": "C"},
    "apps/chat.yaml": {"app": "chat", "suite": "chat"},
    "models.yaml": {"m": {"model": "m-2026-01-01", "base_url": "http://127.0.0.1:9/v1"}},
    "judges/tone.yaml": JUDGE,
}
SHORT = {"assertion": "length", "params": {"max": 5}}


def find_messages(root: Path, check: Any, guard: Any = None, **dimension: Any) -> list[str]:
    """Finds the problems of a catalog with one dimension, and perhaps a guardrail."""
    row = {"dimension": "kind", "question": "Kind?", "check": check, **dimension}
    files: dict[str, Any] = {**FILES, "suites/chat.yaml": {"suite": "chat", "dimensions": [row]}}
    if guard:
        files["guardrails/g.yaml"] = {"guardrail": "g", "question": "Q?", **guard}
    catalog = load_catalog(write_catalog(root, files))
    return [
        one.message.replace(f"{catalog.root}/", "")
        for one in find_problems(catalog)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("guard", "key"),
    [
        ({"check": {"assertion": "length"}, "params": {"min": 9, "max": 2}}, "params: `min` 9"),
        ({"check": "pii", "params": {"nope": 1}}, "params.nope: there is no such key"),
        ({"check": "pii", "params": {"on_error": "boom"}}, "params.on_error: Input"),
        ({"check": "moderation"}, "params.model: this key is needed"),
        ({"check": {"judge": "nope"}}, "check.judge: no judge 'nope'"),
        ({"check": {"classifier": "nope"}}, "check.classifier: no classifier"),
    ],
)
def test_a_guardrail_names_the_key(tmp_path: Path, guard: Any, key: str) -> None:
    """Params of its evaluator and of its policy, and the name under its check."""
    (message,) = find_messages(tmp_path, SHORT, guard)
    place, _, rest = message.partition(": ")
    assert place.startswith("guardrails/g.yaml:")
    assert rest.startswith(key)


@pytest.mark.parametrize(
    ("declared", "key"),
    [
        (
            {"check": {"assertion": "length", "params": {"mix": 9}}},
            "check.params.mix: there is no such key",
        ),
        ({"check": {"assertion": "length"}}, "check.params: set `min`, `max` or both"),
        (
            {"check": {"assertion": "one_of", "params": {"values": ["a", {"b": 1}]}}},
            "check.params.values.1: Input should be a valid string",
        ),
        (
            {"check": {"panel": "majority", "params": {"dimensions": ["a", "b", "c"]}}},
            "check.params.dimensions.0: no dimension 'a'",
        ),
        (
            {"check": {"judge": "tone"}, "sample": {"rate": 0.1, "flagged": {"by": "scan"}}},
            "sample.flagged.by: no dimension 'scan'",
        ),
    ],
)
def test_a_dimension_names_the_key(tmp_path: Path, declared: Any, key: str) -> None:
    """Below `check` or beside it, with the index of an item of a list."""
    (message,) = find_messages(tmp_path, **declared)
    place, _, rest = message.partition(": ")
    assert place.startswith("suites/chat.yaml:")
    assert rest.startswith(f"dimensions.0.{key}")
