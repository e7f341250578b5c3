"""Commands that bring traces here: import and pull.

How a file is read is told in `evals.traces.reader`, how a system is spoken to in `evals.sources`.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from orchestration.cli.options import (
    DAY,
    DONE,
    INFRASTRUCTURE,
    USAGE,
    Place,
    as_json,
    fail,
    located,
    place,
)
from orchestration.runtime import terminal
from orchestration.runtime.progress import telling


@click.command()
@located
@click.argument("sources", nargs=-1)
@as_json
def pull(home: Path | None, catalog: Path | None, sources: tuple[str, ...], as_json: bool) -> None:
    """Pulls new and late traces from the catalog's sources into the raw inbox.

    SOURCES are names in sources.yaml, or kinds: langfuse, langsmith, phoenix. Keys come from the
    environment. Interrupted, it goes on where it was. `andon nightly` does this first.

    \b
    Examples:
      andon pull
      andon pull langfuse --json
    """
    from evals.sources import pulls

    here = place(home, catalog)
    lake, cat = here.lake(), here.catalog()
    declared = {word for source in cat.sources.values() for word in (source.name, source.kind)}
    for name in sources:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            fail(USAGE, f"no source {name!r} in sources.yaml; declared: {known}")
    if not declared:
        fail(USAGE, f"no source is declared; write one in {here.catalog_root / 'sources.yaml'}")
    with telling(as_json) as say:
        found, failures = pulls.pull_sources(
            lake, cat, datetime.now(UTC), names=sources, report=say
        )
    told([one._asdict() for one in found], as_json)
    for failure in failures:
        terminal.complain(failure)
    sys.exit(INFRASTRUCTURE if failures else DONE)


def told(rows: list[dict[str, Any]], as_json: bool) -> None:
    """What each project came to."""
    if as_json:
        terminal.show(rows)
        return
    for row in rows:
        name = "/".join(dict.fromkeys((row["source"], row["project"])))
        landed, read, upto = row["landed"], row["rows"], row["upto"]
        terminal.say(f"{name}: {landed} new or changed of {read} rows, up to {upto}")


@click.command("import")
@located
@click.argument("paths", nargs=-1, required=True, type=Place())
@click.option("--assume-date", type=DAY, help="The night of rows that have no timestamp.")
@click.option("--assume-app", help="The application of rows that name none.")
@click.option("--explain", is_flag=True, help="Tell what a file is taken for; write nothing.")
@as_json
def import_(
    home: Path | None,
    catalog: Path | None,
    paths: tuple[Path | str, ...],
    assume_date: Any,
    assume_app: str | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Reads exports into the lake without evaluating them.

    \b
    Examples:
      andon import exports/2026-10-01.jsonl.gz
      andon import --explain langfuse-export.parquet
      andon import untimed.jsonl --assume-date 2026-10-01
      zcat export.jsonl.gz | andon import -
      andon import s3://exports/langfuse/
    """
    from evals.erasure import forget
    from evals.ingest import staging
    from evals.traces.files.streams import file_sha

    here = place(home, catalog)
    assumed = assume_date.date() if assume_date else None
    if explain:
        from orchestration.cli import explanation

        files = [path for path in paths if isinstance(path, Path)]
        explanation.tell(here.catalog(), files, assumed, assume_app, as_json)
        return
    lake, cat = here.lake(), here.catalog()
    forget.finish_requests(lake, cat)
    known = lake.inbox_files()
    rows, now = [], datetime.now(UTC)
    for path in (file for given in paths for file in brought(lake, given)):
        seen = known.get(file_sha(path))
        options: Any = {"assume_date": assumed, "app": assume_app, "now": now}
        found = seen or staging.import_file(lake, cat, path, **options)
        rows.append({**found._asdict(), "already_seen": seen is not None})
    if as_json:
        terminal.show(rows)
        return
    for row in rows:
        again = " (seen before)" if row["already_seen"] else ""
        read, refused = row["read"], row["refused"]
        beside = f", {row['labels']} labels beside them" if row["labels"] else ""
        terminal.say(f"{row['name']}: {read} rows, {refused} in quarantine{beside}{again}")


def brought(lake: Any, given: Path | str) -> list[Path]:
    """The files of a place; those of another machine, and what is piped in, in the raw room."""
    from evals.ingest import inbox
    from evals.sources import locations

    if given == "-":
        return [locations.save_stdin(lake, sys.stdin.buffer)]
    if isinstance(given, str) and locations.is_remote(given):
        return locations.fetch_objects(lake, given)
    return inbox.list_inbox(given)


COMMANDS = (import_, pull)
