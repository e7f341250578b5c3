"""Moves a home to the schema version this Andon reads.

To change a stored format: raise `lake.SCHEMA_VERSION` unless the last release had a lower one, add
a module with a `STEP`, and list it in `STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from evals.storage.lake import (
    SCHEMA_VERSION,
    Lake,
    LakeError,
    read_schema_version,
    write_schema_version,
)
from evals.storage.migrations import dagster_settings, labels_and_gold, lock_files
from evals.storage.migrations.step import Step

STEPS: Sequence[Step] = (dagster_settings.STEP, labels_and_gold.STEP, lock_files.STEP)
"""In order; the steps of one version are adjacent."""


class Migration(NamedTuple):
    """The result of moving a home."""

    before: int
    """The schema version it had."""
    after: int
    changes: list[str]
    """Descriptions of the changes that were made or would be."""


def migrate(
    home: Path,
    *,
    dry_run: bool = False,
    report: Callable[[str], object] = lambda description: None,
    steps: Sequence[Step] = STEPS,
) -> Migration:
    """Moves a home to the current schema version; a killed run can be repeated.

    Args:
        home: the home.
        dry_run: only list the changes.
        report: called with each change before it is made.
        steps: the steps from each version to the next.

    Raises:
        LakeError: the folder is no home, or a newer Andon wrote it.
        HomeInUse: another process uses it.
    """
    try:
        before = read_schema_version(home)
    except (OSError, ValueError, KeyError) as error:
        raise LakeError(f"{home / 'schema.json'}: cannot be read; is {home} a home?") from error
    if before > SCHEMA_VERSION:
        versions = f"schema version {before}, this Andon reads {SCHEMA_VERSION}"
        raise LakeError(f"{home} has {versions}; use a newer Andon")
    if before == SCHEMA_VERSION:
        return Migration(before, before, [])
    changes: list[str] = []
    with Lake(home).lock_home(exclusive=True):
        for description in apply_changes(home, before, dry_run, steps):
            changes.append(description)
            report(description)
    return Migration(before, before if dry_run else SCHEMA_VERSION, changes)


def apply_changes(home: Path, before: int, dry_run: bool, steps: Sequence[Step]) -> Iterator[str]:
    """Yields and makes the changes to each version in turn; its number is written last."""
    for version in range(before + 1, SCHEMA_VERSION + 1):
        for step in steps:
            if step.version != version:
                continue
            for change in step.find_changes(home):
                yield change.description
                if not dry_run:
                    change.apply()
        yield f"schema.json: version {version}"
        if not dry_run:
            write_schema_version(home, version)
