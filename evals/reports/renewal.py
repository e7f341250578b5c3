"""Reports anew what depends on a corrected night: later reports of its applications, no others.

Asks no model. How a report is built and stored is in `assembly`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from evals.reports import assembly, json_form
from evals.reports.archive import read_report
from evals.reports.night_data import StoredNight
from evals.reports.sections import incidents, provenance
from evals.runs import night_locks
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.accounts import Account
from evals.storage.lake import Lake
from evals.storage.night_state import AppHistory

Progress = Callable[[str, int, int], None]


def renew_dependent_reports(
    lake: Lake,
    catalog: Catalog,
    now: datetime,
    progress: Progress = lambda words, done, of: None,
) -> list[tuple[date, str]]:
    """Reports nights anew whose incidents depend on an earlier night that changed; asks nothing.

    Nights that are due anyway are left to their run.

    Args:
        lake: the home.
        catalog: the applications' gates and suites.
        now: the present.
        progress: called with what is done, how many nights are, and of how many.

    Returns:
        The nights and applications that have another report.
    """
    renewed = list[tuple[date, str]]()
    outdated = list_outdated_nights(lake)
    for number, night in enumerate(outdated):
        progress(f"reporting later nights {night}", number, len(outdated))
        if night_locks.explain_pending(lake, catalog, night) is None:
            renewed += [(night, app) for app in renew_night(lake, catalog, night, now)]
    return renewed


def list_outdated_nights(lake: Lake) -> list[date]:
    """Lists the nights whose reports read other rates of the nights before, oldest first."""
    return [
        night
        for night, before in night_state.digest_histories(lake).items()
        if night_state.read_intact_state(lake, night).history not in (None, before)
    ]


def list_followers(lake: Lake, catalog: Catalog) -> dict[str, list[date]]:
    """Lists the nights that may be reported anew, by application: they follow one that is due."""
    followers: dict[str, list[date]] = {}
    outdated, due = set(list_outdated_nights(lake)), set[str]()
    for night in night_state.list_stored_nights(lake):
        reported = night_state.read_intact_state(lake, night).reports
        if night_locks.explain_pending(lake, catalog, night) is not None:
            due |= {*reported}
            continue
        for app in reported if night in outdated else sorted(due & {*reported}):
            followers.setdefault(app, []).append(night)
    return followers


def renew_night(lake: Lake, catalog: Catalog, night: date, now: datetime) -> list[str]:
    """Reports a night anew for the applications whose history changed; returns those."""
    state, histories = (
        night_state.read_state(lake, night),
        night_state.digest_app_histories(lake, night),
    )
    versions: dict[str, str] = {}
    for app, account in sorted(state.apps.items()):
        known, history = state.app_histories.get(app), histories[app]
        if app in catalog.broken or app not in state.reports:
            continue
        if known and known[0] == history.whole:
            continue
        if known and may_stay(lake, catalog, night, app, account, AppHistory(*known), history):
            continue
        report = assembly.build_app_report(lake, catalog, night, app, account)
        if report.version == state.reports[app]:
            continue
        until = catalog.app(app).watermark(night, catalog.day_begins)
        stamp = {"run_id": "renewed", "reported_at": now.isoformat()}
        stored = assembly.write_app_report(lake, catalog, report, until, stamp)
        assembly.refresh_neighbours(lake, [stored])
        versions[app] = report.version
    night_state.update_state(
        lake,
        night,
        reports={**state.reports, **versions},
        history=night_state.digest_histories(lake).get(night),
        app_histories=histories,
    )
    return list(versions)


def may_stay(
    lake: Lake,
    catalog: Catalog,
    night: date,
    app: str,
    account: Account,
    known: AppHistory,
    history: AppHistory,
) -> bool:
    """Whether a report would be the same: incidents, baseline and the last weeks are."""
    version = night_state.read_state(lake, night).reports[app]
    stored = read_report(lake, night, app, version)
    if known.recent != history.recent or stored is None or stored.is_refused:
        return False
    data, found = assembly.find_incidents(
        StoredNight(lake, catalog, night, catalog.app(app), account)
    )
    before = {row.date: row.version for row in stored[provenance.SECTION].baseline}
    same = json_form.to_json(found) == json_form.to_json(stored[incidents.SECTION])
    return same and before == data.baseline
