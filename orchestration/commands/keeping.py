"""Commands that keep the place: labels, quarantine, doctor, ui.

The line itself is moved elsewhere.
"""

import json
import sys
from pathlib import Path
from typing import Any

import click

from orchestration.commands.options import (
    DAY,
    DONE,
    USAGE,
    as_json,
    located,
    place,
    show,
)


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
    from evals import flywheel

    lake = place(home, catalog).lake()
    for row in flywheel.sheet(lake, only.date(), app):
        out.write(json.dumps(row, ensure_ascii=False) + "\n")


@labels.command("import")
@located
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def labels_import(home: Path | None, catalog: Path | None, path: Path) -> None:
    """Adds a file of labels; rows whose verdict is still empty are left out.

    \b
    Example:
      andon labels import queue.jsonl
    """
    from evals.door.labels import import_labels

    here = place(home, catalog)
    added = import_labels(here.lake(), here.catalog(), path)
    click.echo(f"{added} labels added; `andon nightly` reports them")


@click.command("quarantine")
@located
@as_json
def quarantine(home: Path | None, catalog: Path | None, as_json: bool) -> None:
    """Lists refused rows with their file, line and reason.

    \b
    Example:
      andon quarantine --json
    """
    from evals.door import quarantine as door

    lake = place(home, catalog).lake()
    keys = ("source_file", "source_line", "code", "reason", "app", "trace_id")
    rows = [{key: getattr(row, key) for key in keys} for row in door.refusals(lake)]
    if as_json:
        show(rows)
        return
    for row in rows:
        where = f"{row['source_file']}:{row['source_line']}"
        click.echo(f"{where}: {row['code']}: {row['reason']}")
    if not rows:
        click.echo("nothing in quarantine")


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
    from orchestration import checkup

    findings = checkup.examine(place(home, catalog), online=online)
    if as_json:
        show([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.state:>5}  {finding.about}: {finding.words}")
    sys.exit(USAGE if any(finding.state == "fail" for finding in findings) else DONE)


@click.command()
@located
@click.option("--port", default=3000, show_default=True, help="Dagster's; the board is one above.")
def ui(home: Path | None, catalog: Path | None, port: int) -> None:
    """Serves Dagster and the board on this machine until interrupted.

    \b
    Example:
      andon ui --port 3000
    """
    from orchestration import serve

    sys.exit(serve.serve(place(home, catalog), port))


COMMANDS = (labels, quarantine, doctor, ui)
