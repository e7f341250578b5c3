"""What an application refers to that is no longer there: its blessed report, an open incident.

Neither decides a night any more, so the gate and `andon doctor` name them with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from evals.reports.archive import read_report
from evals.reports.pages.incident import Reported, list_incidents
from evals.reports.phrases import join_names
from evals.reports.report import Report
from evals.storage import night_state
from evals.storage.documents.blessed_baselines import find_baseline
from evals.storage.lake import Lake

LOOKED_AT = timedelta(days=28)
"""The nights before one whose reports are searched for incidents that were left open."""


def list_lost_references(lake: Lake, app: str, night: date) -> list[str]:
    """Lists what a night of an application is not compared with or decided by any more."""
    return [*explain_blessed(lake, app, night), *list_unmeasured(lake, app, night)]


def explain_blessed(lake: Lake, app: str, night: date) -> Iterator[str]:
    """Yields a sentence where the blessed report cannot be read."""
    blessed = find_baseline(lake, app, night)
    if blessed is None or read_report(lake, blessed.night, app, blessed.version):
        return
    yield (
        f"the blessed report {blessed.version} of {blessed.night} is gone, so this night was not "
        f"compared with it: `andon baseline bless NIGHT --app {app}` names another, "
        f"`andon baseline drop --app {app}` none"
    )


def list_unmeasured(lake: Lake, app: str, night: date) -> Iterator[str]:
    """Yields a sentence for each open incident that the night's report no longer measures."""
    for name, found in list_incidents(read_reports_until(lake, app, night)).items():
        if found.absent and found.row.decides:
            yield describe_unmeasured(name, found)


def describe_unmeasured(name: str, found: Reported) -> str:
    """Describes an incident that was open when it was last measured."""
    rates = join_names([rate.name for rate in found.row.rates])
    return (
        f"the incident {name} was open on {found.report.date}, and {rates} has had no rate since: "
        "it is no longer measured and does not decide; declare the dimension again if that was "
        f"not meant (named here for {LOOKED_AT.days} nights)"
    )


def read_reports_until(lake: Lake, app: str, night: date) -> Sequence[Report]:
    """Reads the current reports of an application up to a night, oldest first."""
    nights = [
        one for one in night_state.list_stored_nights(lake) if night - LOOKED_AT <= one <= night
    ]
    versions = ((one, night_state.read_intact_state(lake, one).reports.get(app)) for one in nights)
    reports = (read_report(lake, one, app, version) for one, version in versions if version)
    return [one for one in reports if one]
