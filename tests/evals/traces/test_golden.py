"""What each format's small files become, held against canonical JSON read by a person.

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


def told(path: Path) -> list[dict[str, Any]]:
    """What a file yields, without what is empty."""
    found = []
    named = (
        *("openai_batch", "bedrock", "azure", "vertex", "helicone", "litellm"),
        *("mlflow", "braintrust", "openai_agents"),
    )
    app = "batch" if path.name.startswith(named) else None
    for item in reader.read_file(path, mappings={}, app=app):
        row = dataclasses.asdict(item)
        row.pop("raw", None)
        if row.get("status") == "ok":
            del row["status"]
        kind = "refusal" if isinstance(item, Refusal) else "trace"
        kind = "label" if isinstance(item, Label) else kind
        kind = "skipped" if isinstance(item, NonAnswer) else kind
        known = {key: value for key, value in row.items() if value not in (None, "", (), {}, [])}
        found.append({"is": kind, **known})
    return json.loads(json.dumps(found, default=str))


def expected(path: Path) -> Path:
    """The file that holds what a file should become."""
    return path.with_name(f"{path.name}.expected.json")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_format_becomes_what_is_expected(path: Path) -> None:
    """Every field of every trace, refusal and label."""
    assert told(path) == json.loads(expected(path).read_text("utf-8"))


if __name__ == "__main__":
    for file in FILES:
        text = json.dumps(told(file), indent=1, ensure_ascii=False, sort_keys=True)
        expected(file).write_text(text + "\n", "utf-8")
