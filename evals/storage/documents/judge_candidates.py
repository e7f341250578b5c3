"""The candidates for judges: a judge's file, or a trained classifier, with what was measured.

What the figures mean is in `evals.realign`. A person promotes one; nothing here is in the catalog.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from evals.records import Json
from evals.storage.lake import Lake, require_safe_name

FOLDER = "judge_candidates"
LOOKS = "candidate_looks.json"


class StoredCandidate(NamedTuple):
    """A candidate for a judge."""

    judge: str
    candidate: str
    """Its id: how it was made, and a digest of its file."""
    kind: str
    """How it was made, such as `threshold` or `examples`."""
    made: str
    """When it was first made, in UTC and ISO form."""
    file: str
    """The judge's YAML file as it would be, or the classifier's."""
    traces: tuple[str, ...]
    """The traces whose texts or critiques are in the file."""
    evidence: dict[str, Json]
    """What was measured: see `evals.realign.evidence`."""
    classifier: str = ""
    """The classifier that would decide in the judge's place; empty: the judge changes."""
    model: str = ""
    """Its trained model."""


def name_candidate(judge: str, candidate: str) -> str:
    """Returns the name of a candidate's document."""
    return f"{FOLDER}/{require_safe_name(f'{judge}@{candidate}')}.json"


def write_candidate(lake: Lake, stored: StoredCandidate) -> None:
    """Stores a candidate, or what was measured of it since."""
    lake.replace_document(
        name_candidate(stored.judge, stored.candidate), stored._asdict(), durable=True
    )


def read_candidate(lake: Lake, judge: str, candidate: str) -> StoredCandidate | None:
    """Reads a candidate; None if it is not stored."""
    return lake.read_document(name_candidate(judge, candidate), parse_candidate)


def parse_candidate(row: dict[str, Any]) -> StoredCandidate:
    """Returns the document as a record."""
    values: dict[str, Any] = {**row, "traces": tuple(row["traces"])}
    return StoredCandidate(**values)


def list_candidates(lake: Lake, judge: str) -> list[StoredCandidate]:
    """Lists the candidates of a judge, the newest first."""
    names = lake.store.list_names(f"{FOLDER}/{require_safe_name(judge)}@*.json")
    found = (lake.read_document(name, parse_candidate) for name in names)
    return sorted(filter(None, found), key=lambda one: (one.made, one.candidate), reverse=True)


def drop_candidates(lake: Lake, is_dropped: Callable[[str], bool]) -> int:
    """Deletes the candidates that have texts of some traces; returns how many."""
    dropped = 0
    for name in list(lake.store.list_names(f"{FOLDER}/*.json")):
        stored = lake.read_document(name, parse_candidate)
        if stored and any(map(is_dropped, stored.traces)):
            lake.store.delete(name)
            dropped += 1
    return dropped


class CandidateLook(NamedTuple):
    """A look at a candidate on the test labels; each costs some of what they can show."""

    judge: str
    candidate: str
    before: str
    """The judge that it was compared with: a digest of its declaration."""
    at: int
    """The test labels of the rarer class from which it was due."""
    seen: str
    """The day, in UTC and ISO form."""
    alpha: float
    """The level of its interval."""
    value: float
    """The difference of balanced accuracy."""
    low: float
    high: float


def read_candidate_looks(lake: Lake, judge: str) -> list[CandidateLook]:
    """Reads the looks at the candidates of a judge, oldest first."""
    return [one for one in read_all_looks(lake) if one.judge == judge]


def read_all_looks(lake: Lake) -> list[CandidateLook]:
    """Reads the looks at the candidates of every judge, oldest first."""
    return lake.read_document(LOOKS, lambda rows: [CandidateLook(**row) for row in rows]) or []


def add_candidate_look(lake: Lake, look: CandidateLook) -> None:
    """Adds a look; none is ever removed."""
    with lake.lock("candidate-looks"):
        rows = [one._asdict() for one in (*read_all_looks(lake), look)]
        lake.replace_document(LOOKS, rows, durable=True)


def delete_candidate(lake: Lake, judge: str, candidate: str) -> None:
    """Deletes a candidate that nobody looked at."""
    lake.store.delete(name_candidate(judge, candidate))
