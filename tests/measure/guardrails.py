"""The guardrails' classifiers on harmless and harmful texts, by source: see `training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.measure import corpora, support, training


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields a row for each check and corpus; data of others are read where they are there."""
    corpora.SHARED = data
    for name, task in training.TASKS.items():
        yield from training.measure(name, task)
    yield from support.measure(data)  # last: without its data the table ends here
