"""Commands that keep the place: labels, quarantine, doctor, ui.

The line itself is moved elsewhere.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from orchestration.cli.options import (
    DAY,
    DONE,
    USAGE,
    as_json,
    fail,
    located,
    place,
)
from orchestration.runtime import terminal


@click.group()
def labels() -> None:
    """Carries the review queue out and labels back in."""


@labels.command("export")
@located
@click.option("--date", "only", type=DAY, required=True, help="The night.")
@click.option("--app", help="One application.")
@click.option("-o", "--out", type=click.File("w", encoding="utf-8"), default="-", help="Where to.")
def labels_export(
    home: Path | None, catalog: Path | None, only: Any, app: str | None, out: Any
) -> None:
    """Writes a night's review queue as JSONL with an empty verdict to fill in.

    \b
    Example:
      andon labels export --date 2026-10-14 -o queue.jsonl
    """
    from evals.labels import realign

    lake = place(home, catalog).lake()
    for row in realign.sheet(lake, only.date(), app):
        out.write(terminal.document(row) + "\n")


@labels.command("import")
@located
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def labels_import(home: Path | None, catalog: Path | None, path: Path) -> None:
    """Adds a file of labels; rows whose verdict is still empty are left out.

    \b
    Example:
      andon labels import queue.jsonl
    """
    from evals.labels.label_files import import_labels

    here = place(home, catalog)
    added = import_labels(here.lake(), here.catalog(), path)
    terminal.say(f"{added} labels added; `andon nightly` reports them")


@click.group(invoke_without_command=True)
@located
@as_json
@click.pass_context
def quarantine(ctx: click.Context, home: Path | None, catalog: Path | None, as_json: bool) -> None:
    """Lists, shows and replays refused rows; alone it lists them.

    \b
    Examples:
      andon quarantine --json
      andon quarantine list --code no-output
      andon quarantine replay
    """
    given = {"home": home, "catalog": catalog, "as_json": as_json}
    if ctx.invoked_subcommand is None:
        ctx.invoke(quarantine_list, **given)
    told = {name: value for name, value in given.items() if value}
    ctx.default_map = dict.fromkeys(quarantine.commands, told)


@quarantine.command("list")
@located
@click.option("--app", help="One application.")
@click.option("--code", help="One reason code.")
@click.option("--file", help="One file, by its name.")
@as_json
def quarantine_list(
    home: Path | None,
    catalog: Path | None,
    as_json: bool,
    app: str | None = None,
    code: str | None = None,
    file: str | None = None,
) -> None:
    """Lists refused rows with their file, line and reason.

    \b
    Examples:
      andon quarantine list
      andon quarantine list --code no-output --json
    """
    from evals.validation import quarantine as door

    lake = place(home, catalog).lake()
    keys = ("source_file", "source_line", "code", "reason", "app", "trace_id")
    wanted = {"app": app, "code": code, "source_file": file}
    chosen = {key: value for key, value in wanted.items() if value is not None}
    rows = [
        {**{key: getattr(row, key) for key in keys}, "night": row.night}
        for row in door.read_refusals(lake)
        if all(getattr(row, key) == value for key, value in chosen.items())
    ]
    if as_json:
        terminal.show(rows)
        return
    for row in rows:
        where = f"{row['source_file']}:{row['source_line']}"
        terminal.say(f"{where}: {row['code']}: {row['reason']}")
    if not rows:
        terminal.say("nothing in quarantine")


@quarantine.command("show")
@located
@click.argument("where", metavar="FILE:LINE")
@as_json
def quarantine_show(home: Path | None, catalog: Path | None, where: str, as_json: bool) -> None:
    """Shows a refused row as it was found, unredacted.

    \b
    Example:
      andon quarantine show 2026-10-01.jsonl:17
    """
    from evals.validation import quarantine as door

    lake = place(home, catalog).lake()
    file, _, line = where.rpartition(":")
    found = [
        row
        for row in door.read_refusals(lake)
        if row.source_file == file and str(row.source_line) == line
    ]
    if not found:
        fail(USAGE, f"{where} is not in quarantine; `andon quarantine list` shows what is")
    rows = [shown(row) for row in found]
    if as_json:
        terminal.show(rows)
        return
    for row in rows:
        terminal.say(f"{row['code']}: {row['reason']}")
        terminal.say(row["raw"])


def shown(row: Any) -> dict[str, Any]:
    """A refused row with its bytes as text a terminal can take."""
    return {**asdict(row), "raw": repr(row.raw.decode("utf-8", "backslashreplace"))[1:-1]}


@quarantine.command("replay")
@located
@click.option("--code", help="Only rows refused for this reason.")
@click.option("--file", help="Only rows of this file.")
@as_json
def quarantine_replay(
    home: Path | None, catalog: Path | None, code: str | None, file: str | None, as_json: bool
) -> None:
    """Reads refused rows again under the catalog of today; those that pass enter their night.

    \b
    Examples:
      andon quarantine replay
      andon quarantine replay --file 2026-10-01.jsonl --json
    """
    from evals.validation import quarantine_replay

    here = place(home, catalog)
    found = quarantine_replay.replay_quarantine(here.lake(), here.catalog(), file=file, code=code)
    if as_json:
        terminal.show([one._asdict() for one in found])
        return
    for one in found:
        left = "; ".join(f"{n} {reason}" for reason, n in one.why.items())
        still = f"; still refused: {left}" if left else ""
        terminal.say(f"{one.file}: {one.placed} of {one.tried} rows placed{still}")
        if one.gone:
            terminal.say(
                f"  {one.gone} not read again: the export is gone and their bytes were not all "
                "kept; put it back into the inbox and replay"
            )
    if any(one.placed for one in found):
        terminal.say("`andon nightly` reports their nights anew")
    if not found:
        terminal.say("nothing in quarantine to replay")


@click.command()
@located
@as_json
@click.option("--online", is_flag=True, help="Ask providers until when they serve each model.")
def doctor(home: Path | None, catalog: Path | None, as_json: bool, online: bool) -> None:
    """Checks the catalog, the models' pins and the data folder.

    A pin that ends within 90 days warns, within 30 days fails.

    \b
    Example:
      andon doctor
      andon doctor --online
    """
    from orchestration.cli import diagnosis

    findings = diagnosis.examine(place(home, catalog), online=online)
    if as_json:
        terminal.show([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            terminal.say(f"{finding.state:>5}  {finding.about}: {finding.words}")
    sys.exit(USAGE if any(finding.state == "fail" for finding in findings) else DONE)


@click.command()
@located
@click.option(
    "--port",
    type=click.IntRange(1, 65534),
    default=3000,
    show_default=True,
    help="Dagster's; the board is one above.",
)
def ui(home: Path | None, catalog: Path | None, port: int) -> None:
    """Serves Dagster and the board on this machine until interrupted.

    Meanwhile Dagster's schedule runs the nights that are due, each morning at 05:00 UTC.

    \b
    Example:
      andon ui --port 3000
    """
    from orchestration.web import serve

    try:
        sys.exit(serve.serve(place(home, catalog), port))
    except serve.PortTakenError as taken:
        fail(USAGE, str(taken))


COMMANDS = (labels, quarantine, doctor, ui)
