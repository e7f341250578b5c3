"""`andon migrate`: moves a home that an older Andon wrote to the present schema version.

What a step does is in `evals.storage.migrations`.
"""

from pathlib import Path

import click

from orchestration.cli.options import as_json, located, place
from orchestration.runtime import terminal


@click.command()
@located
@click.option("--dry-run", is_flag=True, help="List what would be done, and stop.")
@as_json
def migrate(home: Path | None, catalog: Path | None, dry_run: bool, as_json: bool) -> None:
    """Moves a home that an older Andon wrote to this one's schema version.

    Reports stay as they are, and nothing is paid again. Killed and run again, it goes on.

    \b
    Examples:
      andon migrate --dry-run
      andon migrate --home .andon
    """
    from evals.storage.migrations import migrate as migration

    here = place(home, catalog)
    say = (lambda words: None) if as_json else terminal.say
    done = migration.migrate(here.home, dry_run=dry_run, say=say)
    if as_json:
        terminal.show({**done._asdict(), "dry_run": dry_run})
    elif not done.changes:
        terminal.say(f"{here.home} has schema version {done.after}: nothing to do")
    elif dry_run:
        terminal.say(f"{len(done.changes)} changes would be made; nothing was")
    else:
        terminal.say(f"{here.home} has schema version {done.after} now")


COMMANDS = (migrate,)
