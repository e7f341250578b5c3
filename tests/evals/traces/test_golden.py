"""Promises of each format's small files: they are read as canonical JSON reviewed by a person.

`python -m tests.evals.traces.test_golden` writes what is expected anew.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from evals.records import Label, NonAnswer, Refusal
from evals.traces import reader

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path for path in GOLDEN.glob("*") if ".expected" not in path.name)


def describe_items(path: Path) -> list[dict[str, Any]]:
    """What a file yields, without what is empty."""
    items = []
    named = (
        *("openai_batch", "bedrock", "azure", "vertex", "helicone", "litellm"),
        *("mlflow", "braintrust", "openai_agents"),
    )
    app = "batch" if path.name.startswith(named) else None
    for item in reader.read_file(path, mappings={}, app=app):
        row = dataclasses.asdict(item)
        row.pop("raw", None)
        if row.get("status") in ("ok", "given"):
            del row["status"]
        kind = "refusal" if isinstance(item, Refusal) else "trace"
        kind = "label" if isinstance(item, Label) else kind
        kind = "skipped" if isinstance(item, NonAnswer) else kind
        fields = {key: value for key, value in row.items() if value not in (None, "", (), {}, [])}
        items.append({"is": kind, **fields})
    return json.loads(json.dumps(items, default=str))


def locate_expected(path: Path) -> Path:
    """Locates the expected items of a file."""
    return path.with_name(f"{path.name}.expected.json")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_format_becomes_what_is_expected(path: Path) -> None:
    """Every field of every trace, refusal and label."""
    assert describe_items(path) == json.loads(locate_expected(path).read_text("utf-8"))


if __name__ == "__main__":
    for file in FILES:
        text = json.dumps(describe_items(file), indent=1, ensure_ascii=False, sort_keys=True)
        locate_expected(file).write_text(text + "\n", "utf-8")
