"""Commands around the nightly run: quarantine, doctor, ui.

The run itself is in `nightly`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import check_app, open_existing
from orchestration.cli.options import (
    DONE,
    USAGE,
    fail,
    json_option,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.validation.quarantine import Refusal


@click.group(invoke_without_command=True)
@settings_options
@json_option
@click.pass_context
def quarantine(ctx: click.Context, settings: Settings, as_json: bool) -> None:
    """Lists, shows and replays refused rows; without a command it lists them.

    \b
    Examples:
      andon quarantine --json
      andon quarantine list --code no-request
      andon quarantine replay
    """
    if ctx.invoked_subcommand is None:
        print_refusals(settings, as_json=as_json)
    if as_json:
        ctx.default_map = {name: {"as_json": True} for name in quarantine.commands}


@quarantine.command("list")
@settings_options
@click.option("--app", help="One application.")
@click.option("--code", help="One reason code.")
@click.option("--file", help="One file, by its name.")
@json_option
def quarantine_list(
    settings: Settings, as_json: bool, app: str | None, code: str | None, file: str | None
) -> None:
    """Lists refused rows with their file, line and reason.

    \b
    Examples:
      andon quarantine list
      andon quarantine list --code no-request --json
    """
    print_refusals(settings, app=app, code=code, file=file, as_json=as_json)


def print_refusals(
    settings: Settings,
    *,
    app: str | None = None,
    code: str | None = None,
    file: str | None = None,
    as_json: bool,
) -> None:
    """Prints the refused rows of an application, a reason or a file; by default all."""
    from evals.validation.quarantine import read_refusals

    lake = open_existing(settings)
    check_app(settings, lake, app)
    keys = ("source_file", "source_line", "code", "reason", "app", "trace_id")
    filters = {"app": app, "code": code, "source_file": file}
    chosen = {key: value for key, value in filters.items() if value is not None}
    rows = [
        {**{key: getattr(row, key) for key in keys}, "night": row.night}
        for row in read_refusals(lake)
        if all(getattr(row, key) == value for key, value in chosen.items())
    ]
    if as_json:
        terminal.print_json(rows)
        return
    for row in rows:
        place = f"{row['source_file']}:{row['source_line']}"
        terminal.print_line(f"{place}: {row['code']}: {row['reason']}")
    if not rows:
        terminal.print_line("nothing in quarantine")


@quarantine.command("show")
@settings_options
@click.argument("place", metavar="FILE:LINE")
@json_option
def quarantine_show(settings: Settings, place: str, as_json: bool) -> None:
    """Shows a refused row as it was in its file, unredacted.

    \b
    Example:
      andon quarantine show 2026-10-01.jsonl:17
    """
    from evals.validation.quarantine import read_refusals

    lake = open_existing(settings)
    file, _, line = place.rpartition(":")
    refusals = [
        row
        for row in read_refusals(lake)
        if row.source_file == file and str(row.source_line) == line
    ]
    if not refusals:
        fail(USAGE, f"{place} is not in quarantine; `andon quarantine list` lists what is")
    rows = [describe_refusal(row) for row in refusals]
    if as_json:
        terminal.print_json(rows)
        return
    for row in rows:
        terminal.print_line(f"{row['code']}: {row['reason']}")
        terminal.print_line(str(row["raw"]))


def describe_refusal(row: Refusal) -> dict[str, object]:
    """Describes a refused row, with its bytes as escaped text."""
    return {**asdict(row), "raw": repr(row.raw.decode("utf-8", "backslashreplace"))[1:-1]}


@quarantine.command("replay")
@settings_options
@click.option("--code", help="Only rows refused for this reason.")
@click.option("--file", help="Only rows of this file.")
@json_option
def quarantine_replay(
    settings: Settings, code: str | None, file: str | None, as_json: bool
) -> None:
    """Reads refused rows again with today's catalog and clock; rows that pass join their night.

    \b
    Examples:
      andon quarantine replay
      andon quarantine replay --file 2026-10-01.jsonl --json
    """
    from evals.validation import quarantine_replay

    replays = quarantine_replay.replay_quarantine(
        open_existing(settings),
        settings.load_catalog(),
        file=file,
        code=code,
        now=datetime.now(UTC),
    )
    if as_json:
        terminal.print_json([replay._asdict() for replay in replays])
        return
    for replay in replays:
        reasons = "; ".join(f"{n} {reason}" for reason, n in replay.why.items())
        refused = f"; still refused: {reasons}" if reasons else ""
        terminal.print_line(f"{replay.file}: {replay.placed} of {replay.tried} rows added{refused}")
        if replay.gone:
            terminal.print_line(
                f"  {replay.gone} not read again: the export was deleted and not all their bytes "
                "were kept; put it back into the inbox and replay"
            )
    if any(replay.placed for replay in replays):
        terminal.print_line("`andon nightly` reports their nights again")
    if not replays:
        terminal.print_line("nothing in quarantine to replay")


@click.command()
@settings_options
@json_option
@click.option(
    "--online", is_flag=True, help="Read from providers until when they serve each model."
)
@click.option("--deep", is_flag=True, help="Read every file of the data folder, too.")
def doctor(settings: Settings, as_json: bool, online: bool, deep: bool) -> None:
    """Checks the catalog, the models' pins and the data folder.

    Warns about a model that is retired within 90 days, fails within 30. With --deep it reads the
    whole data folder: a file that is damaged and that no run makes again fails.

    \b
    Example:
      andon doctor
      andon doctor --online
      andon doctor --deep
    """
    from orchestration.cli import diagnosis
    from orchestration.runtime.progress import open_listener

    with open_listener(as_json) as listener:
        findings = diagnosis.check_home(settings, online=online, deep=deep, report=listener)
    if as_json:
        terminal.print_json([finding._asdict() for finding in findings])
    else:
        terminal.print_lines(
            f"{finding.state:>5}  {finding.about}: {finding.words}" for finding in findings
        )
    sys.exit(USAGE if any(finding.state == "fail" for finding in findings) else DONE)


@click.command()
@settings_options
@click.option(
    "--port",
    type=click.IntRange(1, 65533),
    default=3000,
    show_default=True,
    help="Dagster's port; the board has the next one, the review page the one after.",
)
def ui(settings: Settings, port: int) -> None:
    """Serves Dagster, the board and the review page on this machine until interrupted.

    While it runs, Dagster's schedule runs the nights that are due, each morning at 05:00 UTC.

    \b
    Example:
      andon ui --port 3000
    """
    from orchestration.web import review, serve

    try:
        sys.exit(serve.serve(settings, port))
    except (serve.PortTakenError, review.TokenError) as error:
        fail(USAGE, str(error))


COMMANDS = (quarantine, doctor, ui)
