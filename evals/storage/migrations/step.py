"""The parts of a migration: steps, and the changes each makes.

A step inspects a home and yields the changes it still needs, so a dry run only lists them, a killed
run can be resumed, and a second run does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Change(NamedTuple):
    """One change to a home."""

    description: str
    """For people: `labels/ab12.jsonl: 12 labels get an id`."""
    apply: Callable[[], object]
    """Makes the change; a kill leaves the home as before or as after."""


class Step(NamedTuple):
    """A kind of change that leads to a schema version."""

    version: int
    """The schema version its home has afterwards."""
    name: str
    find_changes: Callable[[Path], Iterator[Change]]
    """Yields the changes a home still needs; changes nothing."""
