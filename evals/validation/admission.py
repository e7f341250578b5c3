"""Admits staged rows to their night: each row is accepted, a duplicate or quarantined.

The catalog defines what a valid row is; `accounts` counts what became of the rows.
"""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evals.ingest import fragment_merge
from evals.ingest.staged_rows import StagedFile
from evals.records import digest
from evals.specs import Catalog
from evals.specs.validation import shipped_expectations
from evals.storage.documents.accounts import Account
from evals.storage.lake import Lake, with_home_lock
from evals.storage.night_state import NightChanges, list_staged_inputs, read_state, update_state
from evals.storage.scratch import delete_run_folder, make_run_folder
from evals.validation import (
    accounts,
    data_docs_pages,
    expectations,
    redaction_counts,
    redated_traces,
    row_outcomes,
)
from evals.validation.publish import CheckedNight, publish_night
from evals.validation.quarantine import UnreadableCounts, count_unreadable
from evals.validation.row_outcomes import ACCEPTED, DUPLICATE, RowOutcomes, decide_outcomes

if TYPE_CHECKING:
    import pandas

ROWS_AT_ONCE = 300_000
"""How many rows are validated together: one run over many small nights costs less."""


class StagedNight(NamedTuple):
    """A night's rows before they are validated."""

    date: date
    files: list[StagedFile]
    rows: pandas.DataFrame


@with_home_lock
def admit_nights(
    lake: Lake, catalog: Catalog, nights: Sequence[date]
) -> dict[date, dict[str, Account]]:
    """Validates the staged rows of some nights; returns each night's accounts by application.

    Rows that pass become the night's traces, the others go to quarantine. An application with
    too many quarantined rows is refused for the night; the others go on. A trace that a later
    file re-dates to another night leaves its night when that night is admitted again. The rows
    of an application with a broken catalog stay staged until the catalog is repaired.
    """
    with lake.lock("door"):
        while stale := sorted(find_stale(lake, catalog, nights)):
            admit_stale(lake, catalog, stale)
    return {
        night: {
            app: account
            for app, account in read_state(lake, night).apps.items()
            if app not in catalog.broken
        }
        for night in nights
    }


def find_stale(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> list[date]:
    """Returns the nights whose rows or checks changed since their validation, or that had none."""
    return [
        night
        for night in nights
        if read_state(lake, night).admitted != digest_basis(lake, catalog, night)
    ]


def admit_stale(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> None:
    """Validates some nights and publishes their rows.

    Re-dated traces are recorded before the nights count as admitted, so that an interrupted run
    repeats them. A night whose row outcomes changed is due for a new report.
    """
    staged = {night: digest(list_staged_inputs(lake, night)) for night in nights}
    basis = {night: digest_basis(lake, catalog, night) for night in nights}
    unreadable = count_unreadable(lake, set(nights))
    with scratch_folder(lake) as folder:
        for group in group_nights(lake, catalog, nights, folder):
            checked = validate_nights(catalog, group, unreadable)
            digests: dict[date, str] = {}
            for night in group:
                day = night.date
                waiting = list_waiting(lake, catalog, night, unreadable)
                # Stays due if the run is interrupted.
                update_state(lake, day, admitted="", waiting=waiting)
                own = unreadable.get(day, {})
                digests[day] = write_outcomes(lake, catalog, night, checked[day], own)
            redated_traces.record_redated(lake, list(digests))
            for day, rows in digests.items():
                state = read_state(lake, day)
                changed = state.seen is not None and state.rows != rows
                changes: NightChanges = {
                    "admitted": basis[day],
                    "staged": staged[day],
                    "rows": rows,
                }
                if changed:
                    changes["seen"] = ""
                update_state(lake, day, **changes)


@contextlib.contextmanager
def scratch_folder(lake: Lake) -> Generator[Path]:
    """Yields a folder for intermediate files, removed on leaving."""
    run = f"admission-{secrets.token_hex(4)}"
    with lake.lock_home():
        try:
            yield make_run_folder(lake, run)
        finally:
            delete_run_folder(lake, run)


def digest_basis(lake: Lake, catalog: Catalog, night: date) -> str:
    """Returns a digest of what a night's validation depends on: its staged rows and its checks."""
    apps = {app: spec.validation.model_dump() for app, spec in catalog.apps.items()}
    checks = [suite.model_dump(mode="json") for _, suite in sorted(catalog.validation.items())]
    shipped = [check.model_dump(mode="json") for check in shipped_expectations()]
    return digest([list_staged_inputs(lake, night), apps, checks, shipped])


def group_nights(
    lake: Lake, catalog: Catalog, nights: Sequence[date], folder: Path
) -> Iterator[list[StagedNight]]:
    """Yields nights with their rows in groups of limited size."""
    group: list[StagedNight] = []
    for night in nights:
        files, frame = fragment_merge.read_merged_rows(lake, catalog, night, folder)
        if group and sum(len(staged.rows) for staged in group) + len(frame) > ROWS_AT_ONCE:
            yield group
            group = []
        group.append(StagedNight(night, files, frame))
    if group:
        yield group


def validate_nights(
    catalog: Catalog,
    nights: Sequence[StagedNight],
    unreadable: dict[date, dict[str, UnreadableCounts]],
) -> dict[date, list[CheckedNight]]:
    """Checks each night's rows, application by application."""
    own: dict[str, dict[date, pandas.DataFrame]] = defaultdict(dict)
    for night in nights:
        if not night.rows.empty:
            for app, frame in split_by_app(night.rows):
                own[app][night.date] = frame.reset_index(drop=True)
        for app in unreadable.get(night.date, {}):
            own[app].setdefault(night.date, night.rows.iloc[:0])
    checked: dict[date, list[CheckedNight]] = {night.date: [] for night in nights}
    for app, frames in sorted(own.items()):
        if app in catalog.broken:
            continue
        for day, result in check_app(catalog, app, frames).items():
            checked[day].append(result)
    return checked


def list_waiting(
    lake: Lake,
    catalog: Catalog,
    night: StagedNight,
    unreadable: dict[date, dict[str, UnreadableCounts]],
) -> tuple[str, ...]:
    """Lists the applications of a night that wait for a repair of the catalog."""
    named = set(night.rows["app"].unique()) if len(night.rows) else set[str]()
    broken = set(catalog.broken) & {*named, *unreadable.get(night.date, {})}
    return tuple(sorted(broken.union(read_state(lake, night.date).waiting)))


def split_by_app(rows: pandas.DataFrame) -> Iterator[tuple[str, pandas.DataFrame]]:
    """Yields each application's rows, not copied where there is only one application."""
    apps = rows["app"].unique()
    if len(apps) == 1:
        yield str(apps[0]), rows
    else:
        yield from ((str(app), frame) for app, frame in rows.groupby("app", dropna=False))


def check_app(
    catalog: Catalog, app: str, frames: dict[date, pandas.DataFrame]
) -> dict[date, CheckedNight]:
    """Checks one application's nights in one pass, without the copies of rows."""
    import pandas

    checks = [check for check in catalog.expectations(app) if check.over == "rows"]
    copied = {day: row_outcomes.find_copies(frame) for day, frame in frames.items() if len(frame)}
    fresh = {day: drop_copies(frames[day], own) for day, own in copied.items()}
    together = pandas.concat(list(fresh.values())) if fresh else pandas.DataFrame()
    failing = expectations.find_failing(together, checks, catalog.app(app))
    checked: dict[date, CheckedNight] = {}
    start = 0
    for day, frame in frames.items():
        rows: list[int] = fresh[day].index.to_list() if day in fresh else []
        own = {
            name: [rows[row - start] for row in failed if 0 <= row - start < len(rows)]
            for name, failed in failing.items()
        }
        outcomes = RowOutcomes([], [], [])
        if len(frame):
            outcomes = decide_outcomes(frame, copied[day], own, checks)
        checked[day] = CheckedNight(app, frame, outcomes, own, len(rows))
        start += len(rows)
    return checked


def drop_copies(rows: pandas.DataFrame, copied: pandas.Series[bool]) -> pandas.DataFrame:
    """Returns the rows that are not copies."""
    return rows.loc[~copied] if copied.any() else rows


def write_outcomes(
    lake: Lake,
    catalog: Catalog,
    night: StagedNight,
    apps: Sequence[CheckedNight],
    unreadable: dict[str, UnreadableCounts],
) -> str:
    """Publishes a night's rows, their accounts and Data Docs; returns a digest of the outcomes."""
    unread: dict[str, UnreadableCounts] = {
        checked.app: unreadable.get(checked.app, Counter()) for checked in apps
    }
    apps = [decide_refusal(catalog, checked, unread[checked.app]) for checked in apps]
    apps = exclude_redated(lake, catalog, night, apps)
    counts = {
        checked.app: accounts.count_rows(
            lake, catalog, night.date, night.files, checked, unread[checked.app]
        )
        for checked in apps
    }
    publish_night(lake, catalog, night.date, night.files, apps)
    redactions = redaction_counts.count_redactions(lake, night.date)
    for app, account in counts.items():
        if not account["refused"]:
            account["redacted"] = redactions.get(app, {"traces": 0, "rules": []})
    earlier = read_state(lake, night.date).apps
    waiting = {app: earlier[app] for app in catalog.broken if app in earlier}
    update_state(lake, night.date, apps=dict(sorted({**waiting, **counts}.items())))
    for app, account in counts.items():
        checks = catalog.expectations(app)
        data_docs_pages.write_page(lake, night.date, catalog.app(app), checks, account["checks"])
    return digest([[own.app, bool(own.refused), own.outcomes.outcomes] for own in apps])


def decide_refusal(
    catalog: Catalog, checked: CheckedNight, unreadable: UnreadableCounts
) -> CheckedNight:
    """Refuses an application's night if too many of its rows are quarantined."""
    passed = sum(outcome in (ACCEPTED, DUPLICATE) for outcome in checked.outcomes.outcomes)
    read = len(checked.rows) + unreadable.total()
    refused = expectations.explain_refusal(read - passed, read, catalog.app(checked.app))
    return replace(checked, refused=refused)


def exclude_redated(
    lake: Lake, catalog: Catalog, night: StagedNight, apps: Sequence[CheckedNight]
) -> list[CheckedNight]:
    """Excludes traces that are re-dated to another night, and records which of them are valid."""
    by_app = redated_traces.read_redated(lake, night.date)
    left = {app: traces for app, traces in by_app.items() if app in catalog.broken}
    remaining: list[CheckedNight] = []
    for checked in apps:
        own = {} if checked.refused else by_app.get(checked.app, {})
        outcomes, left[checked.app] = redated_traces.exclude_redated(
            night.files, checked.rows, checked.outcomes, own
        )
        remaining.append(replace(checked, outcomes=outcomes))
    redated_traces.write_redated(lake, night.date, left)
    return remaining
