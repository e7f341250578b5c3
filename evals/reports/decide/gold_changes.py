"""Gold sets that were edited since the nights before: answers are compared with other answers.

How a gold set gets its version is in `evals.evaluators.gold_sets`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evals.reports.decide.rows import Covered, Identity


class GoldChange(NamedTuple):
    """The versions of an evaluator's gold set."""

    identity: Identity
    before: str
    """That of the latest night before."""
    after: str


def find_gold_changes(
    tonight: Sequence[Covered], before: Sequence[Covered]
) -> tuple[GoldChange, ...]:
    """Finds the evaluators whose gold set differs from the latest night's before.

    Nights of an older Andon recorded no version and are no evidence of a change.
    """
    latest: dict[Identity, Covered] = {}
    for row in sorted(before, key=lambda row: str(row.date)):
        if row.gold_version:
            latest[row.identity] = row
    return tuple(
        GoldChange(row.identity, latest[row.identity].gold_version, row.gold_version)
        for row in tonight
        if row.gold_version
        and row.identity in latest
        and latest[row.identity].gold_version != row.gold_version
    )
