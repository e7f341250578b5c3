"""The nights a digest is about: final reports, and missing nights once they may be announced.

Reads the home; what of it is due is in `planning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from evals.digests.messages import Style, Text, compose_earlier, compose_missing, compose_night
from evals.digests.planning import AppNights
from evals.reports.archive import read_report
from evals.reports.missing_nights import find_missing_nights
from evals.reports.report import Report
from evals.specs import App, Catalog
from evals.storage import night_state
from evals.storage.documents.digests import Message, list_digest_apps
from evals.storage.documents.due_analyses import read_due_analyses
from evals.storage.documents.missing_nights import MissingNight, read_missing_nights
from evals.storage.lake import Lake
from evals.storage.night_state import NightState


@dataclass(frozen=True)
class HomeNights:
    """The nights of a home at one moment."""

    lake: Lake
    catalog: Catalog
    now: datetime
    states: Mapping[date, NightState]
    missing: Mapping[str, MissingNight]
    """The last missing night of each application, if it may be announced."""

    def list_apps(self) -> list[str]:
        """Lists the applications that are declared, reported or were announced."""
        reported = (app for state in self.states.values() for app in state.reports)
        announced = list_digest_apps(self.lake)
        return sorted({*self.catalog.apps, *self.catalog.broken, *reported, *announced})

    def find_nights(self, app: str) -> AppNights:
        """Finds the nights of an application that may be announced: no provisional ones."""
        versions = {
            night: state.reports[app]
            for night, state in self.states.items()
            if app in state.reports and not self.is_provisional(state, app)
        }
        lost = self.missing.get(app)
        due = next((one for one in read_due_analyses(self.lake) if one.app == app), None)
        last = lost.date if lost else None
        return AppNights(versions, last, list_targets(self.catalog, app), due)

    def is_provisional(self, state: NightState, app: str) -> bool:
        """Whether an application's night may still get traces."""
        return state.provisional.get(app, "") > self.now.isoformat()

    def list_waiting(self) -> Iterator[tuple[date, str, str]]:
        """Yields the nights whose messages wait until they are final: night, application, until."""
        for night, state in self.states.items():
            for app, until in sorted(state.provisional.items()):
                if app in state.reports and self.is_provisional(state, app):
                    yield night, app, until

    def read_report(self, app: str, night: date) -> Report | None:
        """Reads the current report of an application's night."""
        version = self.states[night].reports.get(app) if night in self.states else None
        return read_report(self.lake, night, app, version) if version else None

    def compose(self, app: str, message: Message) -> Text | None:
        """Composes a message; None where what it is about is no longer so."""
        style, missing = get_style(self.catalog, app), self.missing.get(app)
        if message.kind == "earlier":
            return compose_earlier(message.changes, style)
        if message.kind == "missing":
            is_still = missing and missing.date == message.night
            return compose_missing(missing, style) if missing and is_still else None
        report = self.read_report(app, message.night)
        return compose_night(report, message.changes, style, message.due) if report else None


def read_home(lake: Lake, catalog: Catalog, now: datetime) -> HomeNights:
    """Reads the nights of a home."""
    nights = night_state.list_stored_nights(lake)
    states = {night: night_state.read_intact_state(lake, night) for night in nights}
    return HomeNights(lake, catalog, now, states, find_due_missing(lake, catalog, states, now))


def get_spec(catalog: Catalog, app: str) -> App:
    """Returns an application's settings; the defaults for one that is broken or undeclared."""
    if app in catalog.broken:
        return App(app="broken").model_copy(update={"app": app, "title": app})
    return catalog.app(app)


def get_style(catalog: Catalog, app: str) -> Style:
    """Returns what the catalog declares about an application's messages."""
    spec = get_spec(catalog, app)
    return Style(spec.title or app, spec.owner, spec.digest.texts, catalog.digest.link)


def list_targets(catalog: Catalog, app: str) -> tuple[str, ...]:
    """Lists the targets of an application."""
    chosen = get_spec(catalog, app).digest.targets
    return tuple(catalog.digest.targets) if chosen is None else chosen


def find_due_missing(
    lake: Lake, catalog: Catalog, states: Mapping[date, NightState], now: datetime
) -> dict[str, MissingNight]:
    """Finds the last night of each application that is missing, once it may be announced.

    That is where a run looked for its traces and the night is final, or after the catalog's
    `deadline_h`, when a run should have.
    """
    recorded = {(one.app, one.date) for one in read_missing_nights(lake)}
    last = {one.app: one for one in find_missing_nights(lake, catalog, now)}
    reported = {app: night for night, state in sorted(states.items()) for app in state.reports}
    return {
        app: one
        for app, one in last.items()
        if one.date > reported.get(app, date.min)
        and is_overdue(catalog, one, now, is_recorded=(app, one.date) in recorded)
    }


def is_overdue(
    catalog: Catalog, missing: MissingNight, now: datetime, *, is_recorded: bool
) -> bool:
    """Whether a missing night may be announced."""
    final = get_spec(catalog, missing.app).watermark(missing.date, catalog.day_begins)
    ends = datetime.combine(missing.date, time(catalog.day_begins), UTC) + timedelta(days=1)
    return now >= (final if is_recorded else max(final, ends + timedelta(hours=catalog.deadline_h)))
