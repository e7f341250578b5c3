"""The nights without a report at the last run, by application, for the board to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal, NamedTuple, get_args

from evals.storage.lake import Lake

NAME = "missing_nights.json"
Reason = Literal["no traces", "not evaluated", "catalog broken"]
REASONS: dict[str, Reason] = {reason: reason for reason in get_args(Reason)}


class MissingNight(NamedTuple):
    """A night of an application that should have a report and has none."""

    app: str
    date: date
    reason: Reason
    """`no traces`: nothing arrived; `not evaluated`: no run has evaluated the rows that arrived."""
    since: date
    """The first of the missing nights that this one belongs to."""

    def describe(self) -> str:
        """The missing night in a sentence that names what to do."""
        span = f"{self.date}" if self.since == self.date else f"{self.since} to {self.date}"
        if self.reason == "catalog broken":
            return f"{self.app} waits since {self.since}: its catalog is broken; run `andon doctor`"
        if self.reason == "not evaluated":
            return f"{self.app} has traces of {span} but no report; run `andon nightly`"
        return (
            f"{self.app} has no traces for {span}; check its export, then run `andon nightly`, "
            "or set `cadence` in its YAML if none were due"
        )


def read_missing_nights(lake: Lake) -> list[MissingNight]:
    """Reads the missing nights, by application, oldest first."""
    return lake.read_document(NAME, parse_nights) or []


def parse_nights(rows: list[dict[str, str]]) -> list[MissingNight]:
    """Returns the document as records."""
    return [
        MissingNight(
            row["app"],
            date.fromisoformat(row["date"]),
            parse_reason(row["reason"]),
            date.fromisoformat(row["since"]),
        )
        for row in rows
    ]


def parse_reason(text: str) -> Reason:
    """Returns the reason with a stored text."""
    return REASONS[text]


def write_missing_nights(lake: Lake, missing: Sequence[MissingNight]) -> bool:
    """Replaces the missing nights; returns whether they changed."""
    if list(missing) == read_missing_nights(lake):
        return False
    rows = [
        {"app": m.app, "date": f"{m.date}", "reason": m.reason, "since": f"{m.since}"}
        for m in missing
    ]
    lake.replace_document(NAME, rows)
    return True
