"""Nights that an application owes: expected by its cadence, ended, and without a report.

The content of a report is built in `report`; this module only finds which ones are absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import date, datetime, timedelta

from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.missing_nights import MissingNight, Reason
from evals.storage.lake import Lake
from evals.storage.report_files import list_reports

DAY = timedelta(days=1)


def find_missing_nights(lake: Lake, catalog: Catalog, now: datetime) -> list[MissingNight]:
    """Lists every night that an application of the catalog owes, by application, oldest first.

    An application owes each night its `cadence` names, from its own first night on; one that never
    had a trace owes them from the first night of the home. A demo owes nothing: its data end.
    """
    if catalog.demo:
        return []
    reported = list_reported_nights(lake)
    first = min((night for nights in reported.values() for night in nights), default=None)
    if first is None:
        return []
    last = find_last_night(catalog, now)
    staged = set(lake.list_nights("staged"))
    return [
        MissingNight(app, night, explain_absence(lake, catalog, app, night, staged), since)
        for app in sorted({*catalog.apps, *catalog.broken})
        for night, since in list_owed_nights(
            catalog, app, reported.get(app, frozenset()), first, last
        )
    ]


def list_owed_nights(
    catalog: Catalog, app: str, reported: Set[date], first: date, last: date
) -> Iterator[tuple[date, date]]:
    """Yields each night that one application owes, with the first night of that outage."""
    spec = None if app in catalog.broken else catalog.app(app)
    since: date | None = None
    for night in list_nights_between(min(reported, default=first), last):
        if night in reported:
            since = None
        elif spec is None or spec.expects_traces(night):
            since = since or night
            yield night, since


def explain_absence(
    lake: Lake, catalog: Catalog, app: str, night: date, staged: Set[date]
) -> Reason:
    """Returns why a night has no report."""
    if app in catalog.broken:
        return "catalog broken"
    if night not in staged:
        return "no traces"
    account = night_state.read_intact_state(lake, night).apps.get(app)
    was_admitted = account is not None and account["accepted"] > 0
    is_waiting = not night_state.is_admission_current(lake, night)
    return "not evaluated" if is_waiting or was_admitted else "no traces"


def find_last_night(catalog: Catalog, now: datetime) -> date:
    """Returns the night that ended last; nights begin at the catalog's hour in UTC."""
    return (now - timedelta(hours=catalog.day_begins)).date() - DAY


def list_reported_nights(lake: Lake) -> Mapping[str, Set[date]]:
    """Returns the nights of which each application has a report, refused nights included."""
    nights: dict[str, set[date]] = {}
    for version in list_reports(lake):
        nights.setdefault(version.app, set()).add(version.night)
    return nights


def list_nights_between(first: date, last: date) -> Iterable[date]:
    """Returns every night from one to another, both included."""
    return (first + DAY * step for step in range((last - first).days + 1))


def group_outages(missing: Iterable[MissingNight]) -> list[MissingNight]:
    """Returns the newest missing night of each outage; its `since` is the first."""
    return list({(night.app, night.since): night for night in missing}.values())
