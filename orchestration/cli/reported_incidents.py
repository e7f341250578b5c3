"""Incidents as stored reports have them, with what people decided since.

The commands are in `incidents`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from orchestration.cli.lookups import suggest_name
from orchestration.cli.options import USAGE, fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evals.records import Json
    from evals.reports.incident_rows import IncidentRow, Involved
    from evals.reports.pages.incident import Reported
    from evals.reports.report import Report
    from evals.storage.documents.incident_decisions import StoredDecision
    from evals.storage.lake import Lake


class ReportedIncident(NamedTuple):
    """An incident as the last report that has it shows it."""

    found: Reported
    waiting: StoredDecision | None
    """The last decision that no report has yet."""
    why: tuple[str, ...] = ()
    """What changed with its first night."""

    @property
    def row(self) -> IncidentRow:
        """The incident."""
        return self.found.row

    @property
    def app(self) -> str:
        """Its application."""
        return self.found.report.app

    @property
    def night(self) -> date:
        """The last night whose report has it."""
        return self.found.report.date

    @property
    def is_open(self) -> bool:
        """Whether the application's last report has it open."""
        return self.found.is_open

    @property
    def will_be_open(self) -> bool:
        """Whether it is open once what was decided is reported."""
        return self.waiting.action == "reopen" if self.waiting else self.is_open

    def to_json(self) -> dict[str, Json]:
        """Returns it as JSON."""
        from evals.reports import json_form

        shown = json_form.to_json(self.row)
        return {
            "app": self.app,
            "date": self.night.isoformat(),
            **(shown if isinstance(shown, dict) else {}),
            **({"waiting": describe_stored(self.waiting)} if self.waiting else {}),
            **({"absent": self.found.absent.isoformat()} if self.found.absent else {}),
        }

    def describe(self) -> str:
        """Describes it on a line."""
        gating = "" if self.row.decides else " (not gating)"
        nights = f"{self.row.first} to {self.row.last}"
        names = ", ".join(rate.name for rate in self.row.rates)
        waits = f"  ({describe_waiting(self.waiting)})" if self.waiting else ""
        return f"{self.row.name}  {self.found.state}{gating}, {nights}  {names}{waits}"

    def describe_details(self) -> Iterator[str]:
        """Yields lines of what fell, why, whose it is, what was done, and what to do next."""
        if self.found.absent:
            yield f"not in the report of {self.found.absent}: its rates are no longer measured"
        yield from (self.describe_rate(rate) for rate in self.row.rates)
        yield from (f"why: {words}" for words in self.why)
        if self.row.owner:
            yield f"owner {self.row.owner}"
        for done in self.row.done:
            yield f"{done.action} by {done.by} from {done.night} on: {done.reason}"
        if self.waiting:
            yield f"{describe_waiting(self.waiting)}: {self.waiting.reason}"
        if self.will_be_open:
            yield f"read: andon report show --app {self.app} --date {self.night} --slices"
            yield f"accept: andon incident accept {self.row.name} --by NAME --reason TEXT"

    def describe_rate(self, rate: Involved) -> str:
        """Describes a rate of it."""
        over = ", recovered" if rate.recovered else ""
        if self.is_open and not (rate.comparable or rate.recovered):
            over = "; its evaluator has changed since: it is open until `andon incident accept`"
        return (
            f"{rate.name}: {100 * rate.before:.0f}% before, "
            f"{100 * rate.after:.0f}% since {rate.first}{over}"
        )


def describe_waiting(decision: StoredDecision) -> str:
    """Describes a decision that no report has yet."""
    done = {"accept": "accepted", "reopen": "reopened"}[decision.action]
    return f"{done} by {decision.by} from {decision.night} on, with the next `andon nightly`"


def describe_stored(decision: StoredDecision) -> dict[str, Json]:
    """Returns a decision as reports have it."""
    return {
        "action": decision.action,
        "by": decision.by,
        "reason": decision.reason,
        "night": decision.night.isoformat(),
    }


def read_incidents(lake: Lake) -> list[ReportedIncident]:
    """Reads each incident from the last report that has it, newest first."""
    from evals.reports.archive import read_current_reports
    from evals.reports.pages.incident import list_incidents

    by_app: dict[str, list[Report]] = {}
    for report in read_current_reports(lake):
        by_app.setdefault(report.app, []).append(report)
    found = [
        ReportedIncident(one, find_waiting(lake, app, one.row), tuple(find_causes(reports, one)))
        for app, reports in by_app.items()
        for one in list_incidents(reports).values()
    ]
    return sorted(found, key=lambda one: (one.row.first, one.row.name), reverse=True)


def find_causes(reports: Sequence[Report], found: Reported) -> list[str]:
    """Finds what changed with the rates of an incident, in the report of its first night."""
    from evals.reports.pages.brief import list_causes

    keys = {(rate.dimension, rate.evaluator) for rate in found.row.rates}
    first = next((one for one in reports if one.date == found.row.first), found.report)
    return list_causes(first, keys) or list_causes(found.report, keys)


def find_waiting(lake: Lake, app: str, row: IncidentRow) -> StoredDecision | None:
    """Finds the last decision on an incident that its report does not have."""
    from evals.storage.documents.incident_decisions import read_decisions

    done = {(one.action, one.by, one.reason, one.night) for one in row.done}
    every = (one for one in read_decisions(lake, app) if one.incident == row.name)
    left = [one for one in every if (one.action, one.by, one.reason, one.night) not in done]
    return left[-1] if left else None


def find_incident(lake: Lake, name: str) -> ReportedIncident:
    """Finds an incident by its name; ends the command where there is none."""
    found = {one.row.name: one for one in read_incidents(lake)}
    if name not in found:
        fail(USAGE, f"no incident {name!r}; {suggest_name(name, found)}")
    return found[name]
