"""`andon migrate`: moves a home that an older Andon wrote to the present schema version.

The steps are in `evals.storage.migrations`.
"""

import click

from orchestration.cli.options import json_option, settings_options
from orchestration.runtime import terminal
from orchestration.runtime.progress import ignore_progress
from orchestration.settings import Settings


@click.command()
@settings_options
@click.option("--dry-run", is_flag=True, help="List what would be changed, and stop.")
@json_option
def migrate(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Moves a home that an older Andon wrote to this one's schema version.

    Reports stay as they are, and nothing is paid again. If it is killed, run it again to resume.

    \b
    Examples:
      andon migrate --dry-run
      andon migrate --home .andon
    """
    from evals.storage.migrations import migrate as migration

    done = migration.migrate(
        settings.home, dry_run=dry_run, report=ignore_progress if as_json else terminal.print_line
    )
    if as_json:
        terminal.print_json({**done._asdict(), "dry_run": dry_run})
    elif not done.changes:
        terminal.print_line(f"{settings.home} has schema version {done.after}: nothing to do")
    elif dry_run:
        terminal.print_line(f"{len(done.changes)} changes would be made; none was made")
    else:
        terminal.print_line(f"{settings.home} has schema version {done.after} now")


COMMANDS = (migrate,)
