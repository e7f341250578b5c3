"""Moves a home to the schema version this Andon reads.

To change what is at rest: raise `lake.SCHEMA_VERSION` unless the last release had a lower one, add
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
"""In the order in which they are made; those of one version stand together."""


class Migration(NamedTuple):
    """What moving a home came to."""

    before: int
    """The schema version it had."""
    after: int
    changes: list[str]
    """What was done, or would be."""


def migrate(
    home: Path,
    *,
    dry_run: bool = False,
    say: Callable[[str], object] = lambda words: None,
    steps: Sequence[Step] = STEPS,
) -> Migration:
    """Moves a home to the present schema version; killed and run again, it goes on.

    Args:
        home: the home.
        dry_run: only list what would be done.
        say: hears of each change before it is made.
        steps: what leads from each version to the next.

    Raises:
        LakeError: there is no home, or a newer Andon wrote it.
        HomeInUse: somebody uses it.
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
        for what in each_change(home, before, dry_run, steps):
            changes.append(what)
            say(what)
    return Migration(before, before if dry_run else SCHEMA_VERSION, changes)


def each_change(home: Path, before: int, dry_run: bool, steps: Sequence[Step]) -> Iterator[str]:
    """Makes or lists the changes that lead to each version in turn; its number comes last."""
    for version in range(before + 1, SCHEMA_VERSION + 1):
        for step in steps:
            if step.version != version:
                continue
            for change in step.find(home):
                yield change.what
                if not dry_run:
                    change.make()
        yield f"schema.json: version {version}"
        if not dry_run:
            write_schema_version(home, version)
