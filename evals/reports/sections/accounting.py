"""The counts of a night's rows: in total, by reason, by file, and those that were redacted.

Its records are in `row_counts`; validation counts, and where a file lies is in `storage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from evals.reports.row_counts import Accounting, FileCount, Redacted
from evals.reports.section import NightData, Parts, Section

SHOWN_FILES = 12


def collect(night: NightData) -> Accounting:
    """Reads the counts of the night's rows."""
    return night.accounting


def build(counts: Accounting, parts: Parts) -> Accounting:
    """Accounts for every row of the night, in total and by file."""
    del parts
    return sort_lists(counts)


def build_for_refused(night: NightData) -> Accounting:
    """Accounts for a refused night, like for any other."""
    return sort_lists(night.accounting)


def sort_lists(counts: Accounting) -> Accounting:
    """Puts the lists of an account in the report's order."""
    return replace(
        counts,
        reasons=tuple(sorted(counts.reasons, key=lambda row: (-row.count, row.code))),
        late=tuple(sorted(counts.late, key=lambda row: row.seen)),
        files=tuple(sorted(counts.files, key=lambda row: (row.file, row.sha))),
        redacted=sort_rules(counts.redacted),
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


SECTION = Section[Accounting, Accounting](
    name="accounting",
    about="Rows of the night: `read` = `accepted` + `duplicate` + `quarantined`.",
    part=Accounting,
    collect=collect,
    build=build,
    empty=build_for_refused,
    shown_if_refused=True,
)
