"""What became of a night's rows: whole, by reason, by file, and what was redacted.

Counts alone. Validation counts them; where a file is, `storage` knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from evals.reports.json_form import absent_if
from evals.reports.section import Count, NightData, Parts, Section

SHOWN_FILES = 12


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Rows quarantined for one reason."""

    code: str
    count: Count


@dataclass(frozen=True, slots=True)
class LateCount:
    """Traces read on one day after the night was first reported."""

    seen: str
    """The day."""
    late: Count
    corrected: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCount:
    """One inbox file that fed the night; `read` is the sum of the other three here too."""

    file: str
    """Its path within the inbox."""
    sha: str
    """The first 16 hexadecimal digits of the SHA-256 of its bytes."""
    read: Count
    accepted: Count
    duplicate: Count
    quarantined: Count
    unplaced: Count = absent_if(0)
    """Rows of the file without a night or an application: in quarantine, counted in no night."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What one redaction rule found."""

    rule: str
    traces: Count
    places: Count
    """How often, in all of them."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """What was redacted in accepted traces before they were stored."""

    traces: Count
    """Those in which something was redacted."""
    rules: tuple[RuleCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Rows of the night: `read` = `accepted` + `duplicate` + `quarantined`."""

    read: Count
    accepted: Count
    duplicate: Count
    quarantined: Count
    reasons: tuple[ReasonCount, ...]
    """Why rows were quarantined."""
    corrected: Count = absent_if(0)
    """Duplicates whose content a later file replaced."""
    merged: Count = absent_if(0)
    """Duplicates that are parts of a trace a later file has more of."""
    late: tuple[LateCount, ...] = absent_if(())
    """Traces that came after the night was first reported, by day."""
    files: tuple[FileCount, ...] = absent_if(())
    """The inbox files that fed the night."""
    redacted: Redacted | None = absent_if(None)
    """What was redacted in accepted traces, by rule."""


def collect(night: NightData) -> Mapping[str, Any]:
    """The account that validation left."""
    return night.account


def build(given: Mapping[str, Any], parts: Parts) -> Accounting:
    """Rows read = accepted + duplicate + quarantined, whole and of each file of the night."""
    del parts
    return account_of(given)


def empty(night: NightData) -> Accounting:
    """A refused night is accounted for like any other."""
    return account_of(night.account)


def account_of(given: Mapping[str, Any]) -> Accounting:
    """An account at rest as the report shows it."""
    reasons = sorted(given.get("reasons", ()), key=lambda r: (-r["count"], r["code"]))
    late = sorted(given.get("late") or (), key=lambda r: r["seen"])
    return Accounting(
        read=int(given.get("read", 0)),
        accepted=int(given.get("accepted", 0)),
        duplicate=int(given.get("duplicate", 0)),
        quarantined=int(given.get("quarantined", 0)),
        reasons=tuple(ReasonCount(r["code"], int(r["count"])) for r in reasons),
        corrected=int(given.get("corrected") or 0),
        merged=int(given.get("merged") or 0),
        late=tuple(LateCount(r["seen"], r["late"], r["corrected"]) for r in late),
        files=file_counts(given.get("files") or ()),
        redacted=redacted(given.get("redacted")),
    )


def file_counts(rows: Iterable[Mapping[str, Any]]) -> tuple[FileCount, ...]:
    """The account of each file, by name."""
    return tuple(
        FileCount(
            file=row["file"],
            sha=row["sha"],
            read=int(row["read"]),
            accepted=int(row["accepted"]),
            duplicate=int(row["duplicate"]),
            quarantined=int(row["quarantined"]),
            unplaced=int(row.get("unplaced") or 0),
        )
        for row in sorted(rows, key=lambda row: (row["file"], row["sha"]))
    )


def redacted(found: Mapping[str, Any] | None) -> Redacted | None:
    """How many accepted traces were redacted, and how often by which rule."""
    if found is None:
        return None
    rules = sorted(found["rules"], key=lambda row: (-row["traces"], row["rule"]))
    return Redacted(
        found["traces"], tuple(RuleCount(r["rule"], r["traces"], r["places"]) for r in rules)
    )


class FileListing(NamedTuple):
    """The files a page names, and what all others come to."""

    files: Sequence[FileCount]
    others: int
    rest: FileCount


def list_files(rows: Sequence[FileCount], most: int = SHOWN_FILES) -> FileListing:
    """At most so many files: those that lost most rows first, then the largest."""
    ordered = sorted(rows, key=lambda row: (-row.quarantined - row.unplaced, -row.read, row.file))
    shown, others = ordered[:most], ordered[most:]
    rest = FileCount(
        file="",
        sha="",
        read=sum(row.read for row in others),
        accepted=sum(row.accepted for row in others),
        duplicate=sum(row.duplicate for row in others),
        quarantined=sum(row.quarantined for row in others),
    )
    return FileListing(shown, len(others), rest)


SECTION = Section[Mapping[str, Any], Accounting](
    name="accounting",
    about="Rows of the night: `read` = `accepted` + `duplicate` + `quarantined`.",
    part=Accounting,
    collect=collect,
    build=build,
    empty=empty,
    shown_if_refused=True,
)
