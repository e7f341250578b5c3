"""Renames the event log's module in the settings of a home's Dagster instance."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from evals.storage.files import replace
from evals.storage.migrations.step import Change, Step

OLD = b"module: orchestration.event_log\n"
NEW = b"module: orchestration.runtime.event_log\n"


def find_changes(home: Path) -> Iterator[Change]:
    """Yields a change if the settings name the old module."""
    path = home / "dagster" / "dagster.yaml"
    text = path.read_bytes() if path.exists() else b""
    if OLD in text:
        apply = functools.partial(replace, path, text.replace(OLD, NEW))
        yield Change("dagster/dagster.yaml: names the event log's new module", apply)


STEP = Step(2, "dagster-settings", find_changes)
