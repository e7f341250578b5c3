"""Decides what becomes of each row: accepted, a duplicate, or refused for its first reason.

Pure. An application's trace id identifies one trace. A later file with other content corrects it;
within one file the first row counts. A row without an answer replaces none that has one. Rows that
were `folded` into another row, as fragments of one trace, are duplicates.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evals.ingest.staged_rows import CORRECTED, MERGED
from evals.specs import Expectation

if TYPE_CHECKING:
    import pandas

ACCEPTED, DUPLICATE = "accepted", "duplicate"
UNIQUE = "trace_id_unique"
"""The check that a row fails if an earlier row of its file has its id with other content."""


class RowOutcomes(NamedTuple):
    """What became of the rows of one application's night, by position."""

    outcomes: list[str]
    """`accepted`, `duplicate`, or the name of the check a row is refused for."""
    corrected: list[int]
    """Duplicates whose content a later file has corrected."""
    merged: list[int]
    """Duplicates that are fragments of a trace that later files complete."""

    def find_positions(self, outcome: str) -> list[int]:
        """Returns the rows with an outcome."""
        return [n for n, own in enumerate(self.outcomes) if own == outcome]


def find_copies(rows: pandas.DataFrame) -> pandas.Series[bool]:
    """Marks the rows that were folded or that repeat the id and content hash of an earlier row."""
    folded = rows["folded"] != ""
    if not find_shared_ids(rows).any():
        return folded
    is_named = rows["trace_id"].notna() & (rows["content_hash"].fillna("") != "")
    return (rows.duplicated(["trace_id", "content_hash"]) & is_named) | folded


def find_shared_ids(rows: pandas.DataFrame) -> pandas.Series[bool]:
    """Marks the rows that share their id with another."""
    return rows["trace_id"].duplicated(keep=False) & rows["trace_id"].notna()


def decide_outcomes(
    rows: pandas.DataFrame,
    copied: pandas.Series[bool],
    failing: Mapping[str, Sequence[int]],
    checks: Iterable[Expectation],
) -> RowOutcomes:
    """Decides what becomes of the rows.

    Args:
        rows: One application's night in the order of file and line.
        copied: Which of them are copies, and were not checked.
        failing: The rows that fail each check.
        checks: In order: the first that a row fails is its reason.
    """
    outcomes = [DUPLICATE if copy else ACCEPTED for copy in copied]
    for check in reversed([c for c in checks if c.severity == "critical" and c.check != UNIQUE]):
        for place in failing.get(check.check, ()):
            outcomes[place] = check.check
    corrected: list[int] = rows.index[rows["folded"] == CORRECTED].to_list()
    several = rows.loc[find_shared_ids(rows) & (rows["folded"] == "")]
    for _, group in several.groupby("trace_id", sort=False):
        corrected += resolve_versions(group, outcomes)
    merged: list[int] = rows.index[rows["folded"] == MERGED].to_list()
    return RowOutcomes(outcomes, sorted(corrected), merged)


def resolve_versions(group: pandas.DataFrame, outcomes: list[str]) -> list[int]:
    """Accepts one of the rows with one id; returns those that a later file corrected."""
    hashes: list[str] = group["content_hash"].fillna("").to_list()
    places: list[int] = group.index.to_list()
    content = {place: text or f"row {place}" for place, text in zip(places, hashes, strict=True)}
    valid: dict[str, bool] = {}
    for place, text in content.items():
        valid.setdefault(text, outcomes[place] == ACCEPTED)
    sources: list[int] = group["file"].to_list()
    files = zip(content, sources, strict=True)
    answered = set(group.index[group["has_answer"]])
    versions = [
        first
        for _, own in itertools.groupby(files, key=lambda pair: pair[1])
        for first in choose_versions(
            [place for place, _ in own], content, valid, answered, outcomes
        )
    ]
    if not versions:
        return []
    candidates = [place for place in versions if place in answered] or versions
    latest = content[candidates[-1]]
    trailing = itertools.takewhile(lambda place: content[place] == latest, reversed(candidates))
    accepted = list(trailing)[-1]
    for place in versions:
        outcomes[place] = ACCEPTED if place == accepted else DUPLICATE
    earlier = versions[: versions.index(accepted)]
    return [place for place in earlier if content[place] != latest]


def choose_versions(
    places: Sequence[int],
    content: Mapping[int, str],
    valid: Mapping[str, bool],
    answered: Collection[int],
    outcomes: list[str],
) -> Iterator[int]:
    """Yields one file's first valid row of an id; its rows with other content are conflicts.

    A row with an answer comes before those without one, which are no conflict with it: requests
    that are logged when they begin, or before they are repeated.
    """
    able = [place for place in places if valid[content[place]]]
    able.sort(key=lambda place: place not in answered)
    yield from able[:1]
    for place in able[1:]:
        same = content[place] == content[able[0]]
        is_lesser = place not in answered and able[0] in answered
        is_copy = same or is_lesser or outcomes[place] == DUPLICATE
        outcomes[place] = DUPLICATE if is_copy else UNIQUE
