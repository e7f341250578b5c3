"""The threshold last proposed for each judge; a person promotes it."""

from __future__ import annotations

from typing import TypedDict

from evals.records import Json
from evals.storage.lake import Lake


class Candidate(TypedDict):
    """A judge's threshold and the one its labels suggest."""

    judge: str
    now: float
    proposed: float | None
    """None: there are too few labels to propose one."""
    why: str
    """How to promote it, or why there is none."""


class MeasuredCandidate(Candidate):
    """A proposal with how well the judge agrees with the labels under it."""

    dev: dict[str, Json]
    test: dict[str, Json] | None
    """None: there are no labels to test it on."""


def write_candidate(lake: Lake, judge: str, candidate: MeasuredCandidate) -> None:
    """Replaces a judge's candidate."""
    lake.replace_document(f"candidates/{judge}.json", candidate)
