"""The account of an application's night: the outcomes of its rows and of its checks.

`validation` counts it, a night's state stores it, and reports show it.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class FileAccount(TypedDict):
    """Rows of one inbox file: `read` = `accepted` + `duplicate` + `quarantined`."""

    read: int
    accepted: int
    duplicate: int
    quarantined: int


class LateTraces(TypedDict):
    """Traces read on one day after the night was first reported."""

    seen: str
    """The day in ISO form."""
    late: int
    corrected: int
    """Those whose content replaced or completed another's."""


class RuleRedactions(TypedDict):
    """Traces and places that one redaction rule redacted."""

    rule: str
    traces: int
    places: int


class Redactions(TypedDict):
    """Accepted traces that were redacted, and by which rules."""

    traces: int
    rules: list[RuleRedactions]


class SourceVolume(TypedDict):
    """The volume of one source."""

    rows: int
    nulls: NotRequired[dict[str, float]]
    """The share of nulls of each watched column; absent for all sources together."""


class CheckResult(TypedDict):
    """The result of one check."""

    name: str
    code: str
    success: bool
    unexpected_count: int
    element_count: int
    severity: str
    examples: list[str]
    """Ids of some rows that failed."""
    reason: str


class Account(TypedDict):
    """Rows of the night: `read` = `accepted` + `duplicate` + `quarantined`."""

    read: int
    accepted: int
    duplicate: int
    corrected: int
    """Duplicates whose content a later file replaced."""
    merged: int
    """Duplicates that are parts of a trace a later file has more of."""
    quarantined: int
    reasons: dict[str, int]
    """Quarantined rows by reason code."""
    late: list[LateTraces]
    files: dict[str, FileAccount]
    """By the first 16 digits of each inbox file's SHA-256."""
    refused: str | None
    """Why the application's night is refused; None if it is not."""
    sources: dict[str, SourceVolume]
    checks: list[CheckResult]
    redacted: NotRequired[Redactions]
    """Absent for a refused night."""
