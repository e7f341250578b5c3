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

    from evals.labels.exchange import Format
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
    from evals.labels.stored_labels import count_none, read_stored_labels
    from evals.reports.label_counts import count_by_app
    from evals.review_app.progress import list_paces
    from evals.storage.label_records import read_labels
    from orchestration.cli.row_notes import count_of

    lake = open_existing(settings)
    catalog = settings.load_catalog()
    rows = count_by_app(lake, catalog)
    waiting, none = len(read_stored_labels(lake).waiting), count_none(lake)
    sessions = sum(label.subject == "session" for label in read_labels(lake))
    if as_json:
        apps = [{"app": row.app, **asdict(row.counts)} for row in rows]
        people = [one._asdict() for one in list_paces(read_labels(lake))]
        terminal.print_json(
            {"apps": apps, "waiting": waiting, "sessions": sessions, "people": people, **none}
        )
        return
    terminal.print_lines(describe_counts(row) for row in rows)
    if waiting:
        which = "their trace; `andon doctor` names them" if waiting > 1 else ONE_WAITS
        terminal.print_line(f"{waiting:,} waiting for {which}")
    if sessions:
        terminal.print_line(f"{count_of(sessions, 'label')} of whole sessions")
    if any(none.values()):
        words = f"{none['deferred']:,} deferred and {none['withdrawn']:,} withdrawn"
        terminal.print_line(f"{words}: they count as no label")
    terminal.print_lines(one.describe() for one in list_paces(read_labels(lake)))
    terminal.print_lines(
        f"{finding.about}: {finding.words}"
        for finding in check_subjects(catalog, read_labels(lake))
    )
    if not rows and not waiting and not sessions:
        terminal.print_line("no labels yet: `andon labels export` writes a queue to fill in")


def describe_counts(row: AppLabels) -> str:
    """Returns the counts of an application's labels in words."""
    from orchestration.cli.row_notes import count_of

    counts = row.counts
    reasons = {
        "corrected by their annotators": counts.corrected,
        "of an answer that was replaced": counts.outdated,
        "of an earlier wording of the question (`andon labels regrade`)": counts.earlier,
        "with a word the suite does not map": counts.unmapped,
        "on a dimension the suite does not have": counts.unknown_dimension,
    }
    others = "".join(f"; {n:,} {reason}" for reason, n in reasons.items() if n)
    labels = count_of(counts.counted, "label")
    verb = "counts" if counts.counted == 1 else "count"
    return f"{row.app}: {labels} {verb}, of {count_of(counts.traces, 'trace')}{others}"


@labels.command("export")
@settings_options
@click.option("--date", "only", type=DAY, help="The night whose review queue is written.")
@click.option("--all", "every", is_flag=True, help="The labels at rest instead of a queue.")
@click.option("--app", help="One application.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "label-studio", "argilla"]),
    default="jsonl",
    help="JSON lines, a table, tasks of Label Studio, or records of Argilla.",
)
@click.option(
    "-o", "--out", type=click.File("w", encoding="utf-8"), default="-", help="The file to write."
)
def labels_export(
    settings: Settings,
    only: date | None,
    every: bool,
    app: str | None,
    form: Format,
    out: IO[str],
) -> None:
    """Writes a night's review queue with an empty verdict to fill in, or all labels.

    Of all labels those that were replaced, deferred or withdrawn are in it, too; as tasks or
    records of another tool only those that count. `andon labels import` reads each of the formats.

    \b
    Examples:
      andon labels export --date 2026-10-14 -o queue.jsonl
      andon labels export --all --format label-studio -o labels.json
    """
    from evals.labels import exchange, night_queue, stored_labels

    if (only is None) == (not every):
        fail(USAGE, "expected --date NIGHT for its queue, or --all for the labels")
    lake = open_existing(settings)
    check_app(settings, lake, app)
    if only is not None:
        rows = night_queue.build_sheet(lake, only, app)
    else:
        labels = stored_labels.list_exported(lake, app, is_whole=form in ("jsonl", "csv"))
        rows = list(map(exchange.describe_label, labels))
    for text in exchange.write_rows(rows, form):
        out.write(text)


@labels.command("queue")
@settings_options
@click.option("--date", "only", type=DAY, help="The night; without it the last that has a queue.")
@click.option("--app", help="One application.")
@json_option
def labels_queue(settings: Settings, only: date | None, app: str | None, as_json: bool) -> None:
    """Shows which answers people are asked to read and why, or why there are none.

    \b
    Example:
      andon labels queue --app chat
    """
    from evals.labels.night_queue import explain_empty
    from evals.storage.documents.review_queues import list_queue_nights, read_review_queue

    lake, catalog = open_existing(settings), settings.load_catalog()
    check_app(settings, lake, app)
    night = only or max(list_queue_nights(lake), default=None)
    questions = read_review_queue(lake, night) if night else []
    chosen = [one for one in questions if app in (None, one.app)]
    wanted = [one for one in catalog.apps if app in (None, one)]
    empty = explain_empty(lake, catalog, set(wanted) - {one.app for one in chosen}, night)
    if as_json:
        rows = [one._asdict() for one in chosen]
        shown = {"night": str(night) if night else None, "questions": rows, "empty": empty}
        terminal.print_json(shown)
        return
    for one in chosen:
        chance = f"chance {one.probability:.3g}" if one.probability else "not drawn"
        twice = ", two people" if one.people > 1 else ""
        words = f"{one.app} {one.dimension} {one.trace_id}: {one.reason} ({chance}{twice})"
        terminal.print_line(words)
    for name, why in empty.items():
        terminal.print_line(f"{name}: nothing to read: {why}")


@labels.command("regrade")
@settings_options
@click.option("--app", required=True, help="The application.")
@click.option("--dimension", required=True, help="The dimension whose question changed.")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="How many are listed.")
@json_option
def labels_regrade(settings: Settings, app: str, dimension: str, limit: int, as_json: bool) -> None:
    """Lists the labels of an earlier wording that are most likely to flip under the present one.

    Judge them again with `andon review`: the new label replaces the old one, which stays on record.

    \b
    Example:
      andon labels regrade --app chat --dimension helpful
    """
    from evals.labels import night_queue, regrading

    lake, catalog = open_existing(settings), settings.load_catalog()
    check_app(settings, lake, app)
    dimensions = night_queue.list_review_dimensions(catalog, app)
    if dimension not in dimensions:
        known = ", ".join(dimensions) or "none"
        fail(USAGE, f"{app} has no dimension {dimension!r} that people judge; it has {known}")
    offers = regrading.list_offers(lake, catalog, app, dimension)
    wordings = regrading.measure_by_rubric(lake, catalog, app, dimension)
    if as_json:
        rows = [one.to_json() for one in offers[:limit]]
        agreement = [one._asdict() for one in wordings]
        terminal.print_json({"waiting": len(offers), "offers": rows, "wordings": agreement})
        return
    terminal.print_lines(one.describe() for one in wordings)
    terminal.print_lines(f"{one.label.subject_id}: {one.describe()}" for one in offers[:limit])
    if len(offers) > limit:
        terminal.print_line(f"{len(offers) - limit:,} more; `--limit` shows them")
    if not offers:
        terminal.print_line("every label was given under the present wording")


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
