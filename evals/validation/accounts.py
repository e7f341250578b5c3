"""Counts what became of an application's night: its rows, its files and its checks' results.

What becomes of each row is decided in `row_outcomes`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from evals.ingest.staged_rows import StagedFile
from evals.specs import App, Catalog, Expectation
from evals.storage.documents.accounts import (
    Account,
    CheckResult,
    FileAccount,
    LateTraces,
    SourceVolume,
)
from evals.storage.lake import Lake
from evals.storage.night_state import read_state
from evals.validation import expectations, volumes
from evals.validation.publish import CheckedNight
from evals.validation.quarantine import UnreadableCounts
from evals.validation.row_outcomes import ACCEPTED, DUPLICATE, UNIQUE


def count_rows(
    lake: Lake,
    catalog: Catalog,
    night: date,
    files: Sequence[StagedFile],
    checked: CheckedNight,
    unreadable: UnreadableCounts,
) -> Account:
    """Counts what became of an application's rows: read = accepted + duplicate + quarantined."""
    outcomes = Counter(checked.outcomes.outcomes)
    accepted, duplicate = outcomes.pop(ACCEPTED, 0), outcomes.pop(DUPLICATE, 0)
    checks = catalog.expectations(checked.app)
    codes = {check.check: check.code for check in checks}
    reasons = count_by_code(unreadable)
    for check, n in outcomes.items():
        reasons[codes[check]] += n
    sources = volumes.measure_volumes(checked.rows) if len(checked.rows) else {}
    row_checks = [check for check in checks if check.over == "rows"]
    source_checks = [check for check in checks if check.over != "rows"]
    return {
        "read": len(checked.rows) + unreadable.total(),
        "accepted": accepted,
        "duplicate": duplicate,
        "corrected": len(checked.outcomes.corrected),
        "merged": len(checked.outcomes.merged),
        "quarantined": reasons.total(),
        "reasons": dict(sorted(reasons.items())),
        "late": count_late(read_state(lake, night).on_time, files, checked),
        "files": count_by_file(files, checked, unreadable),
        "refused": checked.refused,
        "sources": sources,
        "checks": [
            *summarize_row_checks(checked, row_checks),
            *summarize_source_checks(lake, catalog.app(checked.app), night, sources, source_checks),
        ],
    }


def count_by_code(unreadable: UnreadableCounts) -> Counter[str]:
    """Counts the rows refused before validation by reason code."""
    counts: Counter[str] = Counter()
    for (_, code), n in unreadable.items():
        counts[code] += n
    return counts


def count_by_file(
    files: Sequence[StagedFile], checked: CheckedNight, unreadable: UnreadableCounts
) -> dict[str, FileAccount]:
    """Counts what became of each inbox file's rows, by the start of the file's hash."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (part, outcome), n in Counter(
        zip(list_parts(checked), checked.outcomes.outcomes, strict=True)
    ).items():
        kind = outcome if outcome in (ACCEPTED, DUPLICATE) else "quarantined"
        counts[files[part].sha][kind] += n
    for (sha, _), n in unreadable.items():
        counts[sha]["quarantined"] += n
    return {
        sha: {
            "read": own.total(),
            "accepted": own[ACCEPTED],
            "duplicate": own[DUPLICATE],
            "quarantined": own["quarantined"],
        }
        for sha, own in sorted(counts.items())
    }


def list_parts(checked: CheckedNight) -> list[int]:
    """Returns the position of each row's file among the night's files."""
    return checked.rows["part"].to_list() if len(checked.rows) else []


def list_ids(checked: CheckedNight) -> list[str | None]:
    """Returns each row's trace id."""
    return checked.rows["trace_id"].to_list() if len(checked.rows) else []


def count_late(
    on_time: Sequence[str] | None, files: Sequence[StagedFile], checked: CheckedNight
) -> list[LateTraces]:
    """Counts the traces that came after the night's first report, by the date they were read.

    Args:
        on_time: the inbox files of the first report; None without one.
        files: the night's staged files.
        checked: one application's rows.
    """
    if on_time is None:
        return []
    ids, parts = list_ids(checked), list_parts(checked)
    replaced = {ids[row] for row in (*checked.outcomes.corrected, *checked.outcomes.merged)}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, outcome in enumerate(checked.outcomes.outcomes):
        source = files[parts[row]]
        if outcome == ACCEPTED and source.sha not in on_time:
            counts[source.seen]["corrected" if ids[row] in replaced else "late"] += 1
    return [
        {"seen": seen, "late": own["late"], "corrected": own["corrected"]}
        for seen, own in sorted(counts.items())
    ]


def summarize_row_checks(checked: CheckedNight, checks: Sequence[Expectation]) -> list[CheckResult]:
    """Returns the results of the checks over rows."""
    ids = list_ids(checked)
    failing = {**checked.failing, UNIQUE: checked.outcomes.find_positions(UNIQUE)}
    return [
        expectations.summarize_check(c, failing.get(c.check, []), ids, checked.checked_rows)
        for c in checks
    ]


def summarize_source_checks(
    lake: Lake,
    app: App,
    night: date,
    sources: dict[str, SourceVolume],
    checks: Sequence[Expectation],
) -> list[CheckResult]:
    """Returns the results of the checks that compare each source with recent nights."""
    import pandas

    days = [night - timedelta(days=back) for back in range(1, volumes.RECENT + 1)]
    accounts = (read_state(lake, day).apps.get(app.app) for day in days)
    recent = [account["sources"] for account in accounts if account and account.get("sources")]
    lines = pandas.DataFrame(volumes.compare_volumes(sources, recent))
    for name in ("volume_ratio", "nulls_rise"):
        if len(lines):
            lines[name] = lines[name].astype("float64")
    if len(lines):
        lines = lines[lines[["volume_ratio", "nulls_rise"]].notna().any(axis=1)]
    failing = expectations.find_failing(lines, checks, app)
    ids: list[str | None] = lines["source"].to_list() if len(lines) else []
    return [expectations.summarize_check(c, failing[c.check], ids, len(lines)) for c in checks]
