"""Commands that read reports: report list, show and diff.

They show figures of stored reports and compute none.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli import answers
from orchestration.cli.lookups import check_app, find_report, open_existing
from orchestration.cli.options import (
    DAY,
    USAGE,
    NightRange,
    fail,
    json_option,
    night_options,
    settings_options,
)
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.reports.report import Report
    from evals.storage.lake import Lake
    from orchestration.settings import Settings


@click.group()
def report() -> None:
    """Lists, shows and compares stored reports."""


@report.command("list")
@settings_options
@json_option
def report_list(settings: Settings, as_json: bool) -> None:
    """Lists every version of every report by night, application and the time it was written.

    \b
    Example:
      andon report list --json
    """
    from evals.reports.archive import read_current_reports
    from evals.storage import night_state
    from evals.storage.report_files import list_reports, read_written_at

    lake, now = open_existing(settings), datetime.now(UTC)
    current = {report.key: report.version for report in read_current_reports(lake)}
    written = {version: read_written_at(lake, version) for version in list_reports(lake)}
    rows = [
        {
            "date": row.night.isoformat(),
            "app": row.app,
            "version": row.version,
            "written_at": written[row],
            "current": current.get((row.night, row.app)) == row.version,
            "provisional_until": night_state.find_provisional_until(lake, row.night, row.app, now),
        }
        for row in sorted(written, key=lambda row: (row.night, row.app, written[row]))
    ]
    if as_json:
        terminal.print_json(rows)
        return
    for row in rows:
        mark = "" if row["current"] else " (older version)"
        until = row["provisional_until"]
        mark = f" (provisional until {until})" if until and not mark else mark
        at = str(row["written_at"])[:19] or "time unknown"
        terminal.print_line(f"{row['date']} {row['app']} {row['version']} written {at}{mark}")
    if not rows:
        from orchestration.cli.row_notes import explain_absence

        terminal.print_lines(f"no reports yet{explain_absence(lake)}".splitlines())


@report.command("show")
@settings_options
@night_options
@click.option("--app", required=True, help="The application.")
@click.option("--slices", is_flag=True, help="Show the counts of every slice, too.")
@click.option("--markdown", is_flag=True, help="Print the night's `report.md`.")
@click.option("--answer", metavar="ID", help="Show one answer in full, with every verdict on it.")
@json_option
def report_show(
    settings: Settings,
    nights: NightRange,
    app: str,
    slices: bool,
    markdown: bool,
    answer: str | None,
    as_json: bool,
) -> None:
    """Shows the report of a night, or with --from and --to the pooled counts of nights.

    Shows the verdict, the rates, causes and agreement with people; --slices adds the slices.
    --markdown prints it for a pull request or a coding agent, in at most 200 lines.

    \b
    Examples:
      andon report show --app chat --date 2026-10-08
      andon report show --app chat --date 2026-10-08 --markdown
      andon report show --app chat --date 2026-10-08 --answer 7f3a
      andon report show --app chat --from 2026-10-01 --to 2026-10-07 --json
    """
    lake = open_existing(settings)
    one_night = [name for name, given in (("--markdown", markdown), ("--answer", answer)) if given]
    if one_night and (nights.first or nights.last or len(one_night) > 1):
        fail(USAGE, f"{' and '.join(one_night)}: expected one of them with one night (--date)")
    if answer is not None:
        answers.show_answer(settings, lake, app, nights.only, answer, as_json)
        return
    if nights.first or nights.last:
        check_app(settings, lake, app)
        pooled = nights._replace(only=None).select(lake.list_nights("traces"))
        show_pooled(lake, app, pooled, slices=slices, as_json=as_json)
        return
    report = find_report(settings, lake, app, nights.only)
    if markdown:
        print_markdown(report)
    elif as_json:
        terminal.print_json(report.to_json())
    else:
        draw_report(lake, report, slices=slices)


def print_markdown(report: Report) -> None:
    """Prints a report as Markdown."""
    from evals.reports.pages.night_markdown import render_markdown

    terminal.print_lines(render_markdown(report).splitlines())


def draw_report(lake: Lake, report: Report, *, slices: bool) -> None:
    """Draws a report, and what was refused of its night."""
    from evals.validation.row_summary import list_refused
    from orchestration.cli import board, row_notes

    board.draw_report(report, slices=slices)
    refused = list_refused(lake, app=report.app, night=report.date)
    board.print_below(row_notes.describe_refused(refused))


def show_pooled(lake: Lake, app: str, days: list[date], *, slices: bool, as_json: bool) -> None:
    """Shows the pooled counts of an application's nights."""
    from evals.reports import json_form
    from evals.reports.archive import read_current_reports
    from evals.reports.pooling import pool_reports
    from orchestration.cli import board
    from orchestration.cli.row_notes import explain_absence

    reports = [r for r in read_current_reports(lake) if r.app == app and r.date in days]
    if not reports:
        fail(USAGE, f"no report of {app!r} in those nights{explain_absence(lake, app)}")
    rows, nights = pool_reports(reports), [report.date for report in reports]
    if as_json:
        span = {"from": nights[0].isoformat(), "to": nights[-1].isoformat()}
        terminal.print_json({"app": app, **span, "results": json_form.to_json(rows)})
    else:
        board.draw_pooled(app, nights, rows, slices=slices)


@report.command("diff")
@settings_options
@click.option("--app", required=True, help="The application.")
@click.option("--date", "only", type=DAY, required=True, help="The night.")
@json_option
def report_diff(settings: Settings, app: str, only: date, as_json: bool) -> None:
    """Shows what differs between the versions of a night's report, oldest first.

    One difference a line, old → new, by group: verdict, settings, versions, figures, traces.

    \b
    Example:
      andon report diff --app notifications --date 2026-10-08
    """
    from orchestration.cli import report_versions

    lake = open_existing(settings)
    find_report(settings, lake, app, only)
    steps = report_versions.compare_versions(lake, only, app)
    if as_json:
        terminal.print_json(steps)
        return
    terminal.print_lines(line for step in steps for line in report_versions.describe_step(step))
    if not steps:
        terminal.print_line(f"{only} {app} has one version only")


@report.command("render")
@settings_options
@night_options
@click.option("--app", help="One application.")
@json_option
def report_render(settings: Settings, nights: NightRange, app: str | None, as_json: bool) -> None:
    """Renders the pages of stored nights anew, as this version of Andon makes them.

    Reports and their figures stay as they are; nothing is asked and nothing is measured. Nights
    from before an update look and link as new ones do. Without dates, every night.

    \b
    Examples:
      andon report render
      andon report render --app chat --from 2026-10-01
    """
    from evals.reports.render import render_reports
    from evals.specs import CatalogError
    from orchestration.runtime import pin_checks

    lake = open_existing(settings)
    check_app(settings, lake, app)
    first, last = nights.only or nights.first or date.min, nights.only or nights.last or date.max
    if first > last:
        raise click.UsageError(f"--from {first} is after --to {last}")
    run = pin_checks.describe_expiring(settings)
    catalog = None
    with contextlib.suppress(CatalogError):  # a page without right answers is better than none
        catalog = settings.load_catalog()
    done = list(render_reports(lake, first, last, app, run, catalog))
    if as_json:
        terminal.print_json([{**row._asdict(), "night": row.night.isoformat()} for row in done])
        return
    terminal.print_line(f"{len(done)} {'night' if len(done) == 1 else 'nights'} rendered")


COMMANDS = (report,)
