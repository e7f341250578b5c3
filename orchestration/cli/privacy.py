"""Commands about people's data: forget, tidy.

What is reached and how is decided in `evals`.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from orchestration.cli.options import (
    DONE,
    INFRASTRUCTURE,
    as_json,
    fail,
    located,
    place,
)
from orchestration.runtime import terminal


@click.command()
@located
@click.option("--user", "users", multiple=True, help="A user's id, as your system knows it.")
@click.option("--trace", "traces", multiple=True, help="A trace's id.")
@click.option("--yes", is_flag=True, help="Do it; without, only say what would go.")
@as_json
def forget(
    home: Path | None,
    catalog: Path | None,
    users: tuple[str, ...],
    traces: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Takes a user or a trace out of everything under the home, and refuses it from then on.

    Reports keep their figures and lose the text. What cannot be undone is asked for with --yes.
    Killed at any moment, the same command or the next `andon nightly` completes it.

    \b
    Examples:
      andon forget --user ada@example.com
      andon forget --user ada@example.com --trace 7f3a --yes
    """
    from evals.erasure import forget as forgetting
    from evals.storage.lake import HomeInUse

    if not users and not traces:
        raise click.UsageError("give --user or --trace, each as often as needed")
    here = place(home, catalog)
    lake, cat = here.lake(), here.catalog()
    done: dict[str, int] = {}
    try:
        if yes:
            found = forgetting.forget_person(lake, cat, users, traces, datetime.now(UTC))
            done = found.touched
        else:
            forgetting.finish_requests(lake, cat)
            found = forgetting.find_person(lake, cat, users, traces)
    except HomeInUse as error:
        noted = "the wish is noted, and the next `andon nightly` does it as well"
        fail(INFRASTRUCTURE, f"{error}; {noted}" if yes else str(error))
    said = {"traces": found.nights, "done": yes, "touched": done, "outside": found.outside}
    if as_json:
        terminal.show(said)
    else:
        told(said)
    sys.exit(INFRASTRUCTURE if done.get("left") else DONE)


def told(said: dict[str, Any]) -> None:
    """What was found and what became of it, in lines."""
    count = sum(said["traces"].values())
    nights = f" in {len(said['traces'])} nights" if count else ""
    if said["done"]:
        terminal.say(f"{count} traces{nights} forgotten")
        for where, touched in said["touched"].items():
            if touched and where != "left":
                terminal.say(f"  {where}: {touched}")
    else:
        terminal.say(f"{count} traces{nights} would be forgotten; --yes does it, for good")
    for path in said["outside"]:
        terminal.say(f"not Andon's, and still there: {path}")
    if said["touched"].get("left"):
        terminal.say("an id still stands somewhere: run it again", err=True)


@click.command()
@located
@click.option("--dry-run", is_flag=True, help="Say what would go, and stop.")
@as_json
def tidy(home: Path | None, catalog: Path | None, dry_run: bool, as_json: bool) -> None:
    """Lets go of what is older than the catalog's `retention`: raw rows, then texts.

    Figures stay for ever. `andon nightly` does this last.

    \b
    Examples:
      andon tidy --dry-run
      andon tidy --json
    """
    from evals.erasure import forget as forgetting
    from evals.erasure import retention

    here = place(home, catalog)
    lake = here.lake()
    forgetting.finish_requests(lake, here.catalog())
    found = retention.find_expired(lake, here.catalog(), datetime.now(UTC))
    planned = {
        "raw_files": len(found.raw),
        "refused_files": len(found.refused),
        "nights": [night.isoformat() for night in found.nights],
    }
    done = {} if dry_run or not found else retention.delete_expired(lake, found)
    if as_json:
        terminal.show({"found": planned, "done": done})
    elif not found:
        terminal.say("nothing is older than `retention` allows")
    else:
        verb = "would go" if dry_run else "gone"
        raw, refused, nights = planned["raw_files"], planned["refused_files"], len(found.nights)
        terminal.say(
            f"{raw} raw files, bytes of {refused} refused files, texts of {nights} nights {verb}"
        )


COMMANDS = (forget, tidy)
