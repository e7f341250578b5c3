"""Commands about blessed baselines: bless, list, show, drop.

What a person decides is stored, and counts with the next `andon nightly`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import check_app, open_existing
from orchestration.cli.options import DAY, USAGE, fail, json_option, settings_options
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.reports.report import Report
    from evals.storage.documents.blessed_baselines import StoredBaseline
    from evals.storage.lake import Lake
    from evals.storage.report_files import ReportVersion

NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")


@click.group()
def baseline() -> None:
    """Names a report as the baseline that an application's later nights are compared with, too."""


def decision_options(command: click.decorators.FC) -> click.decorators.FC:
    """Adds the options of a decision to a command."""
    for option in (
        click.option("--from", "first", type=DAY, help="First night it counts for [the last]."),
        click.option("--reason", required=True, help="Why; it is shown in the report."),
        click.option("--by", required=True, metavar="NAME", help="Who decides it."),
    ):
        command = option(command)
    return command


@baseline.command("bless")
@settings_options
@click.argument("report", metavar="NIGHT|VERSION")
@click.option("--app", help="The application; not needed with a version.")
@decision_options
def bless_baseline(
    settings: Settings, report: str, app: str | None, by: str, reason: str, first: date | None
) -> None:
    """Compares later nights with a night's current report, or with one version of a report.

    A rate that slipped against it makes the gate regressed, whatever the nights before show. It
    counts beside them until it is dropped or another one is blessed.

    \b
    Examples:
      andon baseline bless 2026-10-01 --app chat --by Ann --reason "release 4.2"
      andon baseline bless 5452f7d66f7ff789 --by Ann --reason "release 4.2"
    """
    from evals.storage.documents.blessed_baselines import BLESS

    lake = open_existing(settings)
    check_app(settings, lake, app)
    found = find_version(lake, report, app)
    store_decision(lake, found, BLESS, by, reason, first)


@baseline.command("drop")
@settings_options
@click.option("--app", required=True, help="The application.")
@decision_options
def drop_baseline(settings: Settings, app: str, by: str, reason: str, first: date | None) -> None:
    """Ends the comparison with the blessed report.

    \b
    Example:
      andon baseline drop --app chat --by Ann --reason "the new prompt is the standard"
    """
    from evals.storage.documents.blessed_baselines import DROP
    from evals.storage.report_files import ReportVersion

    lake = open_existing(settings)
    check_app(settings, lake, app)
    one = find_blessed(lake, app)
    store_decision(lake, ReportVersion(one.night, app, one.version), DROP, by, reason, first)


@baseline.command("list")
@settings_options
@click.option("--app", help="One application.")
@json_option
def list_baselines(settings: Settings, app: str | None, as_json: bool) -> None:
    """Lists what was blessed and dropped, oldest first.

    \b
    Example:
      andon baseline list --json
    """
    from evals.storage.documents.blessed_baselines import read_baselines

    lake = open_existing(settings)
    check_app(settings, lake, app)
    rows = read_baselines(lake, app)
    if as_json:
        terminal.print_json([describe_as_json(row) for row in rows])
        return
    terminal.print_lines((describe_decision(row) for row in rows), none="no baseline was blessed")


@baseline.command("show")
@settings_options
@click.option("--app", required=True, help="The application.")
@json_option
def show_baseline(settings: Settings, app: str, as_json: bool) -> None:
    """Shows the blessed report of an application, with its rates.

    \b
    Example:
      andon baseline show --app chat
    """
    from evals.reports.phrases import format_percent
    from evals.reports.sections import results

    lake = open_existing(settings)
    check_app(settings, lake, app)
    one = find_blessed(lake, app)
    report = read_blessed(lake, one)
    if as_json:
        terminal.print_json({**describe_as_json(one), "report": report.to_json()})
        return
    terminal.print_line(describe_decision(one))
    for row in report[results.SECTION]:
        if row.is_whole:
            rate = row.compared_rate
            shown = format_percent(rate.rate, rate.low, rate.high)
            terminal.print_line(f"  {row.name} ({row.evaluator}): {shown} of {row.scored:,}")


def find_version(lake: Lake, named: str, app: str | None) -> ReportVersion:
    """Finds the report with a version, or the current one of a night; ends the command without."""
    from evals.storage.night_state import read_state
    from evals.storage.report_files import ReportVersion, list_reports

    if not NIGHT.fullmatch(named):
        found = [one for one in list_reports(lake) if one.version == named]
        found = [one for one in found if app in (None, one.app)]
        if len(found) != 1:
            hint = "expected a night (2026-10-01) or a version that `andon report list` shows"
            fail(USAGE, f"{len(found)} reports have the version {named!r}; {hint}")
        return found[0]
    night = DAY.convert(named, None, None)
    reports = read_state(lake, night).reports
    name = app or (next(iter(reports)) if len(reports) == 1 else None)
    if name is None or name not in reports:
        apps = ", ".join(sorted(reports)) or "none"
        fail(USAGE, f"no report of {app or 'one application'} for {night}; reported: {apps}; "
             "--app names the application")  # fmt: skip
    return ReportVersion(night, name, reports[name])


def find_blessed(lake: Lake, app: str) -> StoredBaseline:
    """Finds the baseline that is blessed now; ends the command where there is none."""
    from evals.storage.documents.blessed_baselines import BLESS, read_baselines

    last = next(iter(read_baselines(lake, app)[-1:]), None)
    if last is None or last.action != BLESS:
        fail(USAGE, f"no blessed baseline of {app}; `andon baseline bless` names one")
    return last


def read_blessed(lake: Lake, one: StoredBaseline) -> Report:
    """Reads the blessed report; ends the command where it is gone."""
    from evals.reports.archive import read_report

    report = read_report(lake, one.night, one.app, one.version)
    if report is None:
        fail(USAGE, f"the report {one.version} of {one.app} is gone; bless another one")
    return report


def store_decision(
    lake: Lake, found: ReportVersion, action: str, by: str, reason: str, first: date | None
) -> None:
    """Stores a decision, and prints what makes it count."""
    from evals.reports.archive import read_report
    from evals.storage.documents.blessed_baselines import BLESS, StoredBaseline, add_baseline
    from evals.storage.report_files import list_reports

    if not by.strip() or not reason.strip():
        fail(USAGE, "--by and --reason: expected a name and a reason, not an empty text")
    last = max((one.night for one in list_reports(lake) if one.app == found.app), default=date.min)
    first = first or max(last, found.night + timedelta(days=1))
    if action == BLESS and first <= found.night:
        fail(USAGE, f"--from {first}: expected a night after the blessed one, {found.night}")
    report = read_report(lake, found.night, found.app, found.version)
    if action == BLESS and (report is None or report.is_refused):
        fail(USAGE, f"the report of {found.app} for {found.night} has no rates; bless another one")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    row = StoredBaseline(
        found.app, action, found.night, found.version, first, by.strip(), reason.strip(), now
    )
    add_baseline(lake, row)
    terminal.print_line(f"{describe_decision(row)}; `andon nightly` reports it")


def describe_decision(row: StoredBaseline) -> str:
    """Describes a decision on a line."""
    return (
        f"{row.app}: {row.action} {row.night} ({row.version}) from {row.first} on, "
        f"by {row.by}: {row.reason}"
    )


def describe_as_json(row: StoredBaseline) -> dict[str, object]:
    """Returns a decision as JSON."""
    shown = {"date": row.night.isoformat(), "from": row.first.isoformat()}
    return {
        "app": row.app,
        "action": row.action,
        **shown,
        "version": row.version,
        "by": row.by,
        "reason": row.reason,
        "time": row.time,
    }


COMMANDS = (baseline,)
