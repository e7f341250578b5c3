"""The counts of a night's rows: in total, by reason, by file, and those that were redacted.

Validation counts them; where a file lies is in `storage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from evals.reports.json_form import absent_if, from_json
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
    """One inbox file with rows of the night; `read` is the sum of the other three here too."""

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
    """The redactions of one rule."""

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


def collect(night: NightData) -> Mapping[str, object]:
    """Reads the account that validation wrote."""
    return night.account


def build(account: Mapping[str, object], parts: Parts) -> Accounting:
    """Accounts for every row of the night, in total and by file."""
    del parts
    return read_account(account)


def build_for_refused(night: NightData) -> Accounting:
    """Accounts for a refused night, like for any other."""
    return read_account(night.account)


def read_account(stored: Mapping[str, object]) -> Accounting:
    """Reads a stored account; lists are in the report's order."""
    given = {key: value for key, value in stored.items() if value is not None}
    account = from_json(Accounting, {**NO_ROWS, **given})
    return replace(
        account,
        reasons=tuple(sorted(account.reasons, key=lambda row: (-row.count, row.code))),
        late=tuple(sorted(account.late, key=lambda row: row.seen)),
        files=tuple(sorted(account.files, key=lambda row: (row.file, row.sha))),
        redacted=sort_rules(account.redacted),
    )


NO_ROWS: Mapping[str, object] = MappingProxyType(
    {"read": 0, "accepted": 0, "duplicate": 0, "quarantined": 0, "reasons": ()}
)


def sort_rules(redacted: Redacted | None) -> Redacted | None:
    """Orders redaction rules: those that changed most traces first."""
    if redacted is None:
        return None
    rules = sorted(redacted.rules, key=lambda row: (-row.traces, row.rule))
    return replace(redacted, rules=tuple(rules))


class FileListing(NamedTuple):
    """The files that a page names, and the sum of all others."""

    files: Sequence[FileCount]
    others: int
    rest: FileCount


def list_files(rows: Sequence[FileCount], most: int = SHOWN_FILES) -> FileListing:
    """Returns at most `most` files: those that lost most rows first, then the largest."""
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


SECTION = Section[Mapping[str, object], Accounting](
    name="accounting",
    about="Rows of the night: `read` = `accepted` + `duplicate` + `quarantined`.",
    part=Accounting,
    collect=collect,
    build=build,
    empty=build_for_refused,
    shown_if_refused=True,
)
