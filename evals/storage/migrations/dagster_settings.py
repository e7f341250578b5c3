"""The Dagster instance of a home names the module that keeps its events: that one has moved."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from evals.storage.files import replace
from evals.storage.migrations.step import Change, Step

OLD = b"module: orchestration.event_log\n"
NEW = b"module: orchestration.runtime.event_log\n"


def find(home: Path) -> Iterator[Change]:
    """Instances whose settings name the old module."""
    path = home / "dagster" / "dagster.yaml"
    text = path.read_bytes() if path.exists() else b""
    if OLD in text:
        make = functools.partial(replace, path, text.replace(OLD, NEW))
        yield Change("dagster/dagster.yaml: names the event log's new module", make)


STEP = Step(2, "dagster-settings", find)
