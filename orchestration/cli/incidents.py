"""Commands about incidents: list, show, accept, reopen.

Incidents are read from stored reports; what a person decides counts with the next `andon nightly`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NoReturn

import click

from orchestration.cli.lookups import check_app, open_existing
from orchestration.cli.options import DAY, USAGE, fail, json_option, settings_options
from orchestration.cli.reported_incidents import (
    ReportedIncident,
    describe_waiting,
    find_incident,
    read_incidents,
)
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.storage.lake import Lake


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
        if app in (None, one.app) and (one.is_open or not only_open)
    ]
    if as_json:
        terminal.print_json([one.to_json() for one in found])
        return
    terminal.print_lines((one.describe() for one in found), none="no incidents")


@incident.command("show")
@settings_options
@click.argument("name")
@json_option
def show_incident(settings: Settings, name: str, as_json: bool) -> None:
    """Shows what fell, since when, why, who owns it, and what was done.

    \b
    Example:
      andon incident show extraction-2026-10-08
    """
    one = find_incident(open_existing(settings), name)
    if as_json:
        terminal.print_json(one.to_json())
        return
    terminal.print_line(one.describe())
    terminal.print_lines(f"  {line}" for line in one.describe_details())


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
    if one.found.absent:
        fail(
            USAGE,
            f"{name}: the report of {one.found.absent} has none of its rates; nothing to accept",
        )
    if not one.will_be_open:
        refuse_decided(one)
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
    if one.will_be_open:
        refuse_decided(one)
    store_decision(lake, one, "reopen", by, reason, night)


def refuse_decided(one: ReportedIncident) -> NoReturn:
    """Ends a command that decides what is so already, or was decided."""
    if one.waiting:
        fail(USAGE, f"{one.row.name} is {describe_waiting(one.waiting)}")
    state = "open" if one.is_open else one.row.state
    fail(USAGE, f"{one.row.name} is {state} already; `andon incident list` lists all")


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


COMMANDS = (incident,)
