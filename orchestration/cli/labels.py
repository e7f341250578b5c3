"""`andon labels`: the labels at rest, the review queue as a file, and files of labels.

What a label means is in `evals.labels`.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from orchestration.cli.lookups import check_app, open_existing
from orchestration.cli.options import DAY, USAGE, fail, json_option, settings_options
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from datetime import date

    from evals.labels.label_files import LabelImport
    from evals.reports.label_counts import AppLabels


@click.group(invoke_without_command=True)
@settings_options
@json_option
@click.pass_context
def labels(ctx: click.Context, settings: Settings, as_json: bool) -> None:
    """Counts labels, exports the review queue, and imports labels; without a command it counts.

    Shows by application how many labels count, and how many do not and why.

    \b
    Examples:
      andon labels
      andon labels --json
    """
    if ctx.invoked_subcommand is None:
        show_labels(settings, as_json=as_json)


ONE_WAITS = "its trace; `andon doctor` names it"


def show_labels(settings: Settings, *, as_json: bool) -> None:
    """Prints the counts of the labels at rest, by application."""
    from evals.labels.stored_checks import check_subjects
    from evals.labels.stored_labels import read_stored_labels
    from evals.reports.label_counts import count_by_app
    from evals.review_app.progress import list_paces
    from evals.storage.label_records import read_labels

    lake = open_existing(settings)
    catalog = settings.load_catalog()
    rows = count_by_app(lake, catalog)
    waiting = len(read_stored_labels(lake).waiting)
    if as_json:
        apps = [{"app": row.app, **asdict(row.counts)} for row in rows]
        people = [one._asdict() for one in list_paces(read_labels(lake))]
        terminal.print_json({"apps": apps, "waiting": waiting, "people": people})
        return
    for row in rows:
        terminal.print_line(describe_counts(row))
    if waiting:
        which = "their trace; `andon doctor` names them" if waiting > 1 else ONE_WAITS
        terminal.print_line(f"{waiting:,} waiting for {which}")
    for one in list_paces(read_labels(lake)):
        terminal.print_line(one.describe())
    for finding in check_subjects(catalog, read_labels(lake)):
        terminal.print_line(f"{finding.about}: {finding.words}")
    if not rows and not waiting:
        terminal.print_line("no labels yet: `andon labels export` writes a queue to fill in")


def describe_counts(row: AppLabels) -> str:
    """Returns the counts of an application's labels in words."""
    from orchestration.cli.row_notes import count_of

    counts = row.counts
    reasons = {
        "corrected by their annotators": counts.corrected,
        "of an answer that was replaced": counts.outdated,
        "with a word the suite does not map": counts.unmapped,
        "on a dimension the suite does not have": counts.unknown_dimension,
    }
    others = "".join(f"; {n:,} {reason}" for reason, n in reasons.items() if n)
    labels = count_of(counts.counted, "label")
    verb = "counts" if counts.counted == 1 else "count"
    return f"{row.app}: {labels} {verb}, of {count_of(counts.traces, 'trace')}{others}"


@labels.command("export")
@settings_options
@click.option("--date", "only", type=DAY, required=True, help="The night.")
@click.option("--app", help="One application.")
@click.option(
    "-o", "--out", type=click.File("w", encoding="utf-8"), default="-", help="The file to write."
)
def labels_export(settings: Settings, only: date, app: str | None, out: IO[str]) -> None:
    """Writes a night's review queue as JSONL with an empty verdict to fill in.

    \b
    Example:
      andon labels export --date 2026-10-14 -o queue.jsonl
    """
    from evals.labels import night_queue

    lake = open_existing(settings)
    check_app(settings, lake, app)
    for row in night_queue.build_sheet(lake, only, app):
        out.write(terminal.to_json(row) + "\n")


@labels.command("import")
@settings_options
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def labels_import(settings: Settings, path: Path) -> None:
    """Adds a file of labels; skips rows whose verdict is empty.

    A row that no suite can use is refused with its line, and the command exits 2; the other rows
    are added. Mend the row or the suite, and import the file again.

    \b
    Example:
      andon labels import queue.jsonl
    """
    from evals.labels.label_files import import_labels

    done = import_labels(settings.open_lake(), settings.load_catalog(), path, datetime.now(UTC))
    terminal.print_line(describe_import(done))
    refused = done.describe_refused()
    for line in refused[:-1]:
        terminal.print_error(line)
    if refused:
        fail(USAGE, refused[-1])


def describe_import(done: LabelImport) -> str:
    """Returns what became of a file's rows in words."""
    if done.was_added_before:
        return f"{done.path.name} was added before; nothing in it is new"
    parts = {
        "of them waiting for a trace that has not arrived": done.waiting,
        "of them errors: verdicts of judges or rules that the suite does not map": done.errors,
        "left out without a verdict": done.blank,
        "refused": len(done.refused),
    }
    others = "".join(f", {n:,} {part}" for part, n in parts.items() if n)
    labels = "1 label" if done.added == 1 else f"{done.added:,} labels"
    return f"{labels} added{others}; `andon nightly` reports them"


COMMANDS = (labels,)
