"""Commands that read reports: gate, and report list, show and diff.

Nothing is computed that a report does not say.
"""

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from orchestration.cli.options import (
    DAY,
    GATES,
    INFRASTRUCTURE,
    USAGE,
    as_json,
    chosen_report,
    fail,
    located,
    place,
    ranged,
    span,
)
from orchestration.runtime import terminal


@click.command()
@located
@click.option("--app", required=True, help="The application.")
@click.option("--date", "only", type=DAY, help="The night; default: the last one reported.")
@as_json
def gate(home: Path | None, catalog: Path | None, app: str, only: Any, as_json: bool) -> None:
    """Exits 0 when a night passed, 1 regressed, 3 inconclusive, 4 infrastructure.

    A provisional night, whose traces may still come, is never regressed: it is inconclusive. An
    application whose catalog is broken waits: 4.

    \b
    Example:
      andon gate --app extraction --date 2026-10-08
    """
    from evals.storage import night_state

    here = place(home, catalog)
    lake, broken = here.lake(), here.catalog().broken.get(app)
    waiting = night_state.read_state(lake, only.date()).waiting if only else (app,)
    if broken and app in waiting:
        fail(INFRASTRUCTURE, f"{broken.messages[0]}; {app} waits, so there is no report to judge")
    report = chosen_report(lake, app, only)
    until = night_state.provisional_until(lake, report.date, app, datetime.now(UTC))
    outcome = report.gate.outcome
    if until and outcome == "regressed":
        outcome = "inconclusive"
    if as_json:
        body = report.to_json()
        shown = {key: body[key] for key in ("date", "app", "version", "gate", "sentence")}
        gate = {**body["gate"], "outcome": outcome}
        terminal.show(
            {**shown, "gate": gate, "provisional": until is not None, "provisional_until": until}
        )
    else:
        mark = f" (provisional until {until})" if until else ""
        terminal.say(f"{report.date} {app}: {outcome}{mark}. {report.sentence}")
    sys.exit(GATES.get(outcome, INFRASTRUCTURE))


@click.group()
def report() -> None:
    """Shows the reports at rest."""


@report.command("list")
@located
@as_json
def report_list(home: Path | None, catalog: Path | None, as_json: bool) -> None:
    """Lists every version of every report.

    \b
    Example:
      andon report list --json
    """
    from evals.reports.archive import current_reports
    from evals.storage import night_state
    from evals.storage.report_files import list_reports

    lake, now = place(home, catalog).lake(), datetime.now(UTC)
    current = {one.key: one.version for one in current_reports(lake)}
    rows = []
    for night, app, version in list_reports(lake):
        row = {"date": night.isoformat(), "app": app, "version": version}
        until = night_state.provisional_until(lake, night, app, now)
        found = {"current": current.get((night, app)) == version, "provisional_until": until}
        rows.append({**row, **found})
    if as_json:
        terminal.show(rows)
        return
    for row in rows:
        mark = "" if row["current"] else " (older version)"
        until = row["provisional_until"]
        mark = f" (provisional until {until})" if until and not mark else mark
        terminal.say(f"{row['date']} {row['app']} {row['version']}{mark}")


@report.command("show")
@located
@ranged
@click.option("--app", required=True, help="The application.")
@as_json
def report_show(
    home: Path | None,
    catalog: Path | None,
    first: Any,
    last: Any,
    only: Any,
    app: str,
    as_json: bool,
) -> None:
    """Shows a night, or with --from and --to the nights' counts pooled.

    \b
    Examples:
      andon report show --app chat --date 2026-10-08
      andon report show --app chat --from 2026-10-01 --to 2026-10-07 --json
    """
    lake = place(home, catalog).lake()
    if first or last:
        show_pooled(lake, app, span(lake.nights("traces"), first, last, None), as_json)
        return
    report = chosen_report(lake, app, only)
    if as_json:
        terminal.show(report.to_json())
        return
    from orchestration.cli import board

    board.draw_report(report)


def show_pooled(lake: Any, app: str, days: list[date], as_json: bool) -> None:
    """Shows an application's nights with their counts pooled."""
    from evals.reports import json_form
    from evals.reports.archive import current_reports
    from evals.reports.pooling import pool_reports
    from orchestration.cli import board

    reports = [one for one in current_reports(lake) if one.app == app and one.date in days]
    if not reports:
        fail(USAGE, f"no report of {app!r} in those nights")
    rows, nights = pool_reports(reports), [one.date for one in reports]
    if as_json:
        span = {"from": nights[0].isoformat(), "to": nights[-1].isoformat()}
        terminal.show({"app": app, **span, "results": json_form.to_json(rows)})
    else:
        board.draw_pooled(app, nights, rows)


@report.command("diff")
@located
@click.option("--app", required=True, help="The application.")
@click.option("--date", "only", type=DAY, required=True, help="The night.")
@as_json
def report_diff(
    home: Path | None, catalog: Path | None, app: str, only: Any, as_json: bool
) -> None:
    """Shows what differs between the versions of a night's report, oldest first.

    \b
    Example:
      andon report diff --app notifications --date 2026-10-08
    """
    from orchestration.cli import board

    lake = place(home, catalog).lake()
    moved = board.versions(lake, only.date(), app)
    if as_json:
        terminal.show(moved)
        return
    for step in moved:
        terminal.say(f"{step['before']} → {step['after']}: {'; '.join(step['moved']) or 'nothing'}")


COMMANDS = (gate, report)
