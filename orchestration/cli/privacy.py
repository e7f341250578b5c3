"""Commands that delete data: forget, tidy.

What is deleted and how is in `evals.erasure`.
"""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import click

from orchestration.cli.lookups import open_existing
from orchestration.cli.options import (
    DONE,
    INFRASTRUCTURE,
    fail,
    json_option,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.settings import Settings


@click.command()
@settings_options
@click.option("--user", "users", multiple=True, help="A user's id, as your system knows it.")
@click.option("--trace", "traces", multiple=True, help="A trace's id.")
@click.option("--yes", is_flag=True, help="Delete; without it, only show what would be deleted.")
@json_option
def forget(
    settings: Settings,
    users: tuple[str, ...],
    traces: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Deletes a user's data or a trace from the whole home, and refuses it from then on.

    Reports keep their figures and lose the text. So do paid answers that no score refers to and
    that may quote the person; a backfill that needs one pays for it again. Deleting needs --yes and
    cannot be undone. If it is killed, the same command or the next `andon nightly` completes it.

    \b
    Examples:
      andon forget --user ada@example.com
      andon forget --user ada@example.com --trace 7f3a --yes
    """
    from evals.erasure import forget as forgetting
    from evals.storage.lake import HomeInUse

    if not users and not traces:
        raise click.UsageError("give --user or --trace, each as often as needed")
    lake, cat = open_existing(settings), settings.load_catalog()
    done: dict[str, int] = {}
    try:
        if yes:
            person = forgetting.forget_person(lake, cat, users, traces, datetime.now(UTC))
            done = person.touched
        else:
            forgetting.finish_requests(lake, cat)
            person = forgetting.find_person(lake, cat, users, traces)
    except HomeInUse as error:
        noted = "the request is stored, and the next `andon nightly` completes it"
        fail(INFRASTRUCTURE, f"{error}; {noted}" if yes else str(error))
    if as_json:
        counts = {"traces": person.nights, "done": yes, "touched": done}
        terminal.print_json({**counts, "outside": person.outside})
    else:
        print_deletion(person.nights, done if yes else None, person.outside)
    sys.exit(INFRASTRUCTURE if done.get("left") else DONE)


def print_deletion(
    traces: Mapping[str, int], done: Mapping[str, int] | None, outside: Iterable[str]
) -> None:
    """Prints how much was deleted.

    Args:
        traces: the number of traces by night.
        done: what was deleted, by place; None when nothing was.
        outside: files that Andon did not write and does not delete.
    """
    from orchestration.cli.row_notes import count_of

    count = sum(traces.values())
    nights = f" in {count_of(len(traces), 'night')}" if count else ""
    if done is None:
        terminal.print_line(
            f"{count_of(count, 'trace')}{nights} would be deleted for good; add --yes to do it"
        )
    else:
        terminal.print_line(f"{count_of(count, 'trace')}{nights} deleted")
        for place, number in done.items():
            if number and place != "left":
                terminal.print_line(f"  {place}: {number}")
    terminal.print_lines(f"not deleted, since Andon did not write it: {path}" for path in outside)
    if done and done.get("left"):
        terminal.print_line("some data was not deleted: run the command again", err=True)


@click.command()
@settings_options
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and stop.")
@json_option
def tidy(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Deletes what is older than the catalog's `retention`: raw rows, then texts.

    Figures are kept for ever. `andon nightly` does this last.

    \b
    Examples:
      andon tidy --dry-run
      andon tidy --json
    """
    from evals.erasure import forget as forgetting
    from evals.erasure import retention

    lake = open_existing(settings)
    catalog = settings.load_catalog()
    forgetting.finish_requests(lake, catalog)
    expired = retention.find_expired(lake, catalog, datetime.now(UTC))
    planned = {
        "raw_files": len(expired.raw),
        "refused_files": len(expired.refused),
        "nights": [night.isoformat() for night in expired.nights],
    }
    done = {} if dry_run or not expired else retention.delete_expired(lake, expired, catalog)
    if as_json:
        terminal.print_json({"found": planned, "done": done})
    elif not expired:
        terminal.print_line("nothing is older than `retention` allows")
    else:
        verb = "would be deleted" if dry_run else "deleted"
        terminal.print_line(
            f"{len(expired.raw)} raw files, bytes of {len(expired.refused)} refused files, "
            f"texts of {len(expired.nights)} nights {verb}"
        )


COMMANDS = (forget, tidy)
