"""What a step of a migration is made of.

A step looks at a home and yields the changes it still needs; a change that was made is not found
again. So a dry run lists, a killed run goes on, and a second run does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Change(NamedTuple):
    """One change to a home."""

    what: str
    """What it does, for people: `labels/ab12.jsonl: 12 labels get an id`."""
    make: Callable[[], object]
    """Makes it; a kill in the middle leaves the home as it was before or as it is after."""


class Step(NamedTuple):
    """A kind of change that leads to a schema version."""

    version: int
    """The schema version its home has afterwards."""
    name: str
    find: Callable[[Path], Iterator[Change]]
    """The changes a home still needs; only looks."""
