"""What becomes of each row: accepted, a duplicate of another, or refused for its first reason.

Pure. An application's trace id names one trace; a later file that says something else of it
corrects it, and within one file the row that was read first stands. Rows that were `folded` into
another before, as parts of one trace, are duplicates.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from evals.ingest.staged_rows import CORRECTED, MERGED
from evals.specs import Expectation

if TYPE_CHECKING:
    import pandas

ACCEPTED, DUPLICATE = "accepted", "duplicate"
UNIQUE = "trace_id_unique"
"""The check that rows fail which have another row's id within their file."""


class RowOutcomes(NamedTuple):
    """The rows of one application's night, by position."""

    outcomes: list[str]
    """`accepted`, `duplicate`, or the name of the check a row is refused for."""
    corrected: list[int]
    """Duplicates whose content a later file has corrected."""
    merged: list[int]
    """Duplicates whose content is part of a trace that later files tell more of."""

    def positions(self, standing: str) -> list[int]:
        """The rows that stand so."""
        return [n for n, one in enumerate(self.outcomes) if one == standing]


def find_copies(rows: pandas.DataFrame) -> Any:
    """Which rows were folded, or have the id and content of one before; without a hash none has."""
    folded = rows["folded"] != ""
    if not find_shared_ids(rows).any():
        return folded
    known = rows["trace_id"].notna() & (rows["content_hash"].fillna("") != "")
    return (rows.duplicated(["trace_id", "content_hash"]) & known) | folded


def find_shared_ids(rows: pandas.DataFrame) -> Any:
    """Which rows have the id of another."""
    return rows["trace_id"].duplicated(keep=False) & rows["trace_id"].notna()


def decide_outcomes(
    rows: pandas.DataFrame,
    copied: Any,
    failing: Mapping[str, Sequence[int]],
    checks: Iterable[Expectation],
) -> RowOutcomes:
    """What becomes of the rows.

    Args:
        rows: One application's night in the order of file and line.
        copied: Which of them are copies.
        failing: The rows that fail each check; a copy was not checked.
        checks: In the order in which the first that a row fails names its reason.
    """
    of = [DUPLICATE if copy else ACCEPTED for copy in copied]
    for check in reversed([c for c in checks if c.severity == "critical" and c.check != UNIQUE]):
        for place in failing.get(check.check, ()):
            of[place] = check.check
    corrected: list[int] = rows.index[rows["folded"] == CORRECTED].to_list()
    several = rows[find_shared_ids(rows) & (rows["folded"] == "")]
    for _, group in several.groupby("trace_id", sort=False):
        corrected += resolve_versions(group, of)
    return RowOutcomes(of, sorted(corrected), rows.index[rows["folded"] == MERGED].to_list())


def resolve_versions(group: pandas.DataFrame, of: list[str]) -> list[int]:
    """Which of the rows with one id is the trace; those that a later file corrected."""
    hashes = group["content_hash"].fillna("").to_list()
    places: list[int] = group.index.to_list()
    content = {place: text or f"row {place}" for place, text in zip(places, hashes, strict=True)}
    valid: dict[str, bool] = {}
    for place, text in content.items():
        valid.setdefault(text, of[place] == ACCEPTED)
    files = zip(content, group["file"], strict=True)
    said = [
        first
        for _, own in itertools.groupby(files, key=lambda pair: pair[1])
        for first in choose_versions([place for place, _ in own], content, valid, of)
    ]
    if not said:
        return []
    latest = content[said[-1]]
    trailing = itertools.takewhile(lambda place: content[place] == latest, reversed(said))
    kept = list(trailing)[-1]
    for place in said:
        of[place] = ACCEPTED if place == kept else DUPLICATE
    return [place for place in said if content[place] != latest]


def choose_versions(
    places: Sequence[int], content: Mapping[int, str], valid: Mapping[str, bool], of: list[str]
) -> Iterator[int]:
    """What one file says of an id: its first valid row; another content there is a conflict."""
    able = [place for place in places if valid[content[place]]]
    yield from able[:1]
    for place in able[1:]:
        same = content[place] == content[able[0]]
        of[place] = DUPLICATE if same or of[place] == DUPLICATE else UNIQUE
