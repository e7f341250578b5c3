"""Commands about incidents: list, show, accept, reopen.

Incidents are read from stored reports; what a person decides counts with the next `andon nightly`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from orchestration.cli.lookups import check_app, open_existing, suggest_name
from orchestration.cli.options import DAY, USAGE, fail, json_option, settings_options
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.records import Json
    from evals.reports.sections.incidents import IncidentRow
    from evals.storage.lake import Lake

STATES = {
    "open": "open",
    "ongoing": "open",
    "improved": "open, half undone",
    "recovered": "recovered",
    "accepted": "accepted",
}


class ReportedIncident(NamedTuple):
    """An incident as the last report that has it shows it."""

    app: str
    night: date
    """Of that report."""
    row: IncidentRow

    def to_json(self) -> dict[str, Json]:
        """Returns it as JSON."""
        from evals.reports import json_form

        shown = json_form.to_json(self.row)
        return {
            "app": self.app,
            "date": self.night.isoformat(),
            **(shown if isinstance(shown, dict) else {}),
        }

    def describe(self) -> str:
        """Describes it on a line."""
        names = [rate.name for rate in self.row.rates]
        gating = "" if self.row.decides else " (not gating)"
        state = f"{STATES[self.row.state]}{gating}, {self.row.first} to {self.row.last}"
        return f"{self.row.name}  {state}  {', '.join(names)}"


@click.group()
def incident() -> None:
    """Lists incidents, accepts or reopens one; an open one that decides fails the gate."""


@incident.command("list")
@settings_options
@click.option("--app", help="One application.")
@click.option("--open", "only_open", is_flag=True, help="Only open incidents.")
@json_option
def list_incidents(settings: Settings, app: str | None, only_open: bool, as_json: bool) -> None:
    """Lists the incidents of all reports, newest first.

    \b
    Examples:
      andon incident list
      andon incident list --app extraction --open --json
    """
    lake = open_existing(settings)
    check_app(settings, lake, app)
    found = [
        one
        for one in read_incidents(lake)
        if app in (None, one.app) and (one.row.is_open or not only_open)
    ]
    if as_json:
        terminal.print_json([one.to_json() for one in found])
        return
    for one in found:
        terminal.print_line(one.describe())
    if not found:
        terminal.print_line("no incidents")


@incident.command("show")
@settings_options
@click.argument("name")
@json_option
def show_incident(settings: Settings, name: str, as_json: bool) -> None:
    """Shows what fell, since when, who owns it, and what was done.

    \b
    Example:
      andon incident show extraction-2026-10-08
    """
    one = find_incident(open_existing(settings), name)
    if as_json:
        terminal.print_json(one.to_json())
        return
    terminal.print_line(one.describe())
    for rate in one.row.rates:
        over = ", recovered" if rate.recovered else ""
        if one.row.is_open and not (rate.comparable or rate.recovered):
            over = "; its evaluator has changed since: it is open until `andon incident accept`"
        terminal.print_line(
            f"  {rate.name}: {100 * rate.before:.0f}% before, "
            f"{100 * rate.after:.0f}% since {rate.first}{over}"
        )
    if one.row.owner:
        terminal.print_line(f"  owner {one.row.owner}")
    for done in one.row.done:
        terminal.print_line(f"  {done.action} by {done.by} from {done.night} on: {done.reason}")


def decision_options(command: click.decorators.FC) -> click.decorators.FC:
    """Adds the options of a decision to a command."""
    for option in (
        click.option("--from", "night", type=DAY, help="First night it counts for [the last]."),
        click.option("--reason", required=True, help="Why; it is shown in the report."),
        click.option("--by", required=True, metavar="NAME", help="Who decides it."),
        click.argument("name"),
    ):
        command = option(command)
    return command


@incident.command("accept")
@settings_options
@decision_options
def accept_incident(
    settings: Settings, name: str, by: str, reason: str, night: date | None
) -> None:
    """Accepts the level since an incident began as the new normal, so that the gate may pass.

    \b
    Example:
      andon incident accept extraction-2026-10-08 --by Ann --reason "the new tone is wanted"
    """
    lake = open_existing(settings)
    one = find_incident(lake, name)
    if not one.row.is_open:
        fail(USAGE, f"{name} is {one.row.state} already; `andon incident list --open` lists others")
    store_decision(lake, one, "accept", by, reason, night)


@incident.command("reopen")
@settings_options
@decision_options
def reopen_incident(
    settings: Settings, name: str, by: str, reason: str, night: date | None
) -> None:
    """Opens an incident again that recovered or was accepted.

    \b
    Example:
      andon incident reopen extraction-2026-10-08 --by Ann --reason "accepted by mistake"
    """
    lake = open_existing(settings)
    one = find_incident(lake, name)
    if one.row.is_open:
        fail(USAGE, f"{name} is open already")
    store_decision(lake, one, "reopen", by, reason, night)


def store_decision(
    lake: Lake, one: ReportedIncident, action: str, by: str, reason: str, night: date | None
) -> None:
    """Stores a decision, and prints what makes it count."""
    from evals.storage.documents.incident_decisions import StoredDecision, add_decision

    if not by.strip() or not reason.strip():
        fail(USAGE, "--by and --reason: expected a name and a reason, not an empty text")
    first = night or one.night
    if first < one.row.opened:
        fail(
            USAGE,
            f"--from {first}: {one.row.name} was opened on {one.row.opened}; "
            "name that night or a later one",
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    row = StoredDecision(one.app, one.row.name, first, action, by.strip(), reason.strip(), now)
    add_decision(lake, row)
    terminal.print_line(f"{one.row.name}: {action} from {first} on; `andon nightly` reports it")


def read_incidents(lake: Lake) -> list[ReportedIncident]:
    """Reads each incident from the last report that has it, newest first."""
    from evals.reports.archive import read_current_reports
    from evals.reports.sections import incidents

    found = {
        row.name: ReportedIncident(report.app, report.date, row)
        for report in read_current_reports(lake)
        for row in report[incidents.SECTION].rows
    }
    return sorted(found.values(), key=lambda one: (one.row.first, one.row.name), reverse=True)


def find_incident(lake: Lake, name: str) -> ReportedIncident:
    """Finds an incident by its name; ends the command where there is none."""
    found = {one.row.name: one for one in read_incidents(lake)}
    if name not in found:
        fail(USAGE, f"no incident {name!r}; {suggest_name(name, found)}")
    return found[name]


COMMANDS = (incident,)
