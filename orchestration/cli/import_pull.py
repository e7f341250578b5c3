"""Commands that bring traces into the home: import and pull.

How a file is read is in `evals.traces.reader`, how a source is queried in `evals.sources`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from orchestration.cli.options import (
    DAY,
    DONE,
    INFRASTRUCTURE,
    NOTHING_KEPT,
    USAGE,
    Place,
    fail,
    json_option,
    list_files,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.runtime.progress import open_listener
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.ingest.inbox import PassedOver
    from evals.sources.pulls import PullResult
    from evals.storage.documents.inbox_files import InboxFile


@click.command()
@settings_options
@click.argument("sources", nargs=-1)
@json_option
def pull(settings: Settings, sources: tuple[str, ...], as_json: bool) -> None:
    """Pulls new and late traces from the catalog's sources into the raw inbox.

    SOURCES are names in sources.yaml, or kinds: langfuse, langsmith, phoenix. Keys come from the
    environment. An interrupted pull resumes where it stopped. `andon nightly` pulls first.

    \b
    Examples:
      andon pull
      andon pull langfuse --json
    """
    from evals.sources import pulls

    lake, cat = settings.open_lake(), settings.load_catalog()
    declared = {word for source in cat.sources.values() for word in (source.name, source.kind)}
    for name in sources:
        if name not in declared:
            names = ", ".join(sorted(declared)) or "none"
            fail(USAGE, f"no source {name!r} in sources.yaml; declared: {names}")
    if not declared:
        fail(USAGE, f"no source is declared; write one in {settings.catalog_root / 'sources.yaml'}")
    with open_listener(as_json) as listener:
        pulled, failures = pulls.pull_sources(
            lake, cat, datetime.now(UTC), names=sources, report=listener
        )
    if as_json:
        terminal.print_json([project._asdict() for project in pulled])
    else:
        terminal.print_lines(describe_pull(project) for project in pulled)
    for failure in failures:
        terminal.print_error(failure)
    sys.exit(INFRASTRUCTURE if failures else DONE)


def describe_pull(pulled: PullResult) -> str:
    """Describes what was pulled from a project, in a line."""
    name = "/".join(dict.fromkeys((pulled.source, pulled.project)))
    rows = f"{pulled.landed} new or changed of {pulled.rows} rows"
    return f"{name}: {rows}, up to {pulled.upto}"


@click.command("import")
@settings_options
@click.argument("paths", nargs=-1, required=True, type=Place())
@click.option("--assume-date", type=DAY, help="The night of rows that have no timestamp.")
@click.option("--assume-app", help="The application of rows that name none.")
@click.option("--explain", is_flag=True, help="Explain how a file would be read; store nothing.")
@json_option
def import_(
    settings: Settings,
    paths: tuple[Path | str, ...],
    assume_date: date | None,
    assume_app: str | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Reads exports into the lake without evaluating them.

    With --explain it does what a run would do, in a temporary copy, and shows what becomes of
    the rows; it exits 1 where a file would give no trace and no label.

    \b
    Examples:
      andon import exports/2026-10-01.jsonl.gz
      andon import --explain langfuse-export.parquet
      andon import untimed.jsonl --assume-date 2026-10-01
      zcat export.jsonl.gz | andon import -
      andon import s3://exports/langfuse/
    """
    if explain:
        from evals.storage.lake import Lake
        from orchestration.cli import explanation

        keeps = explanation.print_explanations(
            Lake(settings.home), settings.load_catalog(), paths, assume_date, assume_app, as_json
        )
        sys.exit(DONE if keeps else NOTHING_KEPT)
    imported = import_places(settings, paths, assume_date, assume_app)
    if as_json:
        rows = [{**file.row._asdict(), "already_seen": file.is_known} for file in imported.files]
        terminal.print_json(rows)
        for entry in imported.passed_over:
            terminal.print_error(entry.describe())
    else:
        print_imported(settings, imported)
    for failure in imported.failures:
        terminal.print_error(failure)
    sys.exit(USAGE if imported.failures else DONE)


def print_imported(settings: Settings, imported: ImportOutcome) -> None:
    """Prints what was read of each file, and what became of entries and rows that were not."""
    from evals.validation.row_summary import summarize_files
    from orchestration.cli import row_notes

    for row, is_known in imported.files:
        again = " (imported before)" if is_known else ""
        labels = f", {row_notes.count_of(row.labels, 'label')}" if row.labels else ""
        terminal.print_line(
            f"{row.name}: {row_notes.count_rows(row.read)}, {row.refused:,} in quarantine"
            f"{labels}{again}"
        )
    lake, catalog = settings.open_lake(), settings.load_catalog()
    summary = summarize_files(lake, catalog, [file.row for file in imported.files])
    summary = summary._replace(passed_over=imported.passed_over)
    terminal.print_lines(row_notes.describe_summary(summary))


class ImportedFile(NamedTuple):
    """A file that a command imported."""

    row: InboxFile
    is_known: bool
    """Whether it was imported before, so that it is not read again."""


class ImportOutcome(NamedTuple):
    """What became of the files of some places."""

    files: list[ImportedFile]
    failures: list[str]
    """A sentence for each file that was not read."""
    passed_over: list[PassedOver]
    """Entries of folders and patterns that are no files of theirs."""


def import_places(
    settings: Settings, places: Iterable[Path | str], assume_date: date | None, app: str | None
) -> ImportOutcome:
    """Imports the files of some places that were not imported before."""
    from evals.erasure import forget
    from evals.ingest import inbox, staging
    from evals.sources import locations
    from evals.storage.documents.inbox_files import read_inbox_files
    from evals.traces.files.streams import file_sha
    from evals.traces.reader import MissingColumnsError

    lake, catalog = settings.open_lake(), settings.load_catalog()
    forget.finish_requests(lake, catalog)
    before, now = read_inbox_files(lake), datetime.now(UTC)
    outcome = ImportOutcome([], [], [])
    for place in places:
        if isinstance(place, Path) or not (place == "-" or locations.is_remote(place)):
            outcome.passed_over.extend(inbox.list_passed_over(place))
    for path in (file for place in places for file in list_files(lake, place)):
        imported = before.get(file_sha(path))
        try:
            row = imported or staging.import_file(
                lake, catalog, path, assume_date=assume_date, app=app, now=now
            )
        except MissingColumnsError as error:
            outcome.failures.append(str(error))
        else:
            outcome.files.append(ImportedFile(row, imported is not None))
    return outcome


COMMANDS = (import_, pull)
