"""Commands that bring traces here: pull.

How a system is spoken to is told in `evals.sources`.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from orchestration.commands.options import (
    DONE,
    INFRASTRUCTURE,
    USAGE,
    as_json,
    fail,
    located,
    place,
    show,
)
from orchestration.progress import telling


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
    from evals.sources import pulling

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
        found, failures = pulling.pull(lake, cat, datetime.now(UTC), names=sources, say=say)
    told([one._asdict() for one in found], as_json)
    for failure in failures:
        click.echo(f"andon: {failure}", err=True)
    sys.exit(INFRASTRUCTURE if failures else DONE)


def told(rows: list[dict[str, Any]], as_json: bool) -> None:
    """What each project came to."""
    if as_json:
        show(rows)
        return
    for row in rows:
        name = "/".join(dict.fromkeys((row["source"], row["project"])))
        landed, read, upto = row["landed"], row["rows"], row["upto"]
        click.echo(f"{name}: {landed} new or changed of {read} rows, up to {upto}")


COMMANDS = (pull,)
