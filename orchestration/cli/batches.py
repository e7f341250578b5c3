"""Commands about batches handed in to providers: list, cancel.

They are handed in and taken in by the nightly line.
"""

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestration.cli.options import (
    INFRASTRUCTURE,
    USAGE,
    as_json,
    fail,
    located,
    place,
)
from orchestration.runtime import terminal


@click.group()
def batches() -> None:
    """Shows and ends batches handed in to providers (judges with `via: batch` or `auto`)."""


@batches.command("list")
@located
@click.option("--open", "only_open", is_flag=True, help="Only those under way.")
@as_json
def batches_list(home: Path | None, catalog: Path | None, only_open: bool, as_json: bool) -> None:
    """Lists batches, the newest first, as they were last heard of; asks no provider.

    \b
    Examples:
      andon batches list
      andon batches list --open --json
    """
    from evals.storage.documents.batch_jobs import describe_job as shown
    from evals.storage.documents.batch_jobs import read_jobs

    found = [one for one in read_jobs(place(home, catalog).lake()) if one.is_open or not only_open]
    rows = [shown(one) for one in reversed(found)]
    if as_json:
        terminal.show(rows)
        return
    for row in rows:
        done = f"{row['done']} of {row['requests']}"
        cost = f"${row['usd']:.4f}" if not row["open"] else f"at most ${row['at_most_usd']:.4f}"
        words = f"  ({row['problem']})" if row["problem"] else ""
        terminal.say(
            f"{row['batch']}  {row['state']} {row['provider_says']}  {done}  {cost}{words}"
        )
    if not rows:
        terminal.say("no batches; a judge with `via: batch` or `via: auto` makes them")


@batches.command("cancel")
@located
@click.argument("name")
def batches_cancel(home: Path | None, catalog: Path | None, name: str) -> None:
    """Asks the provider to end a batch; what is done by then is charged, and comes back.

    \b
    Example:
      andon batches cancel 2026-10-14-faithful-summary-0f3a9c21b7de
    """
    from evals import models
    from evals.calls.routing import cancel_batch
    from evals.storage.documents.batch_jobs import read_job

    here = place(home, catalog)
    lake = here.lake()
    found = read_job(lake, name)
    if found is None or not found.is_open:
        fail(USAGE, f"no batch {name!r} is under way; `andon batches list --open` shows which are")
    try:
        said = cancel_batch(lake, here.catalog(), found, datetime.now(UTC))
    except (models.ModelError, models.Unavailable) as error:
        fail(INFRASTRUCTURE, f"the provider could not be told: {error}")
    after = "`andon nightly` takes in what was done" if said.is_open else "it was not handed in yet"
    terminal.say(f"{name}: {said.status or said.state}; {after}")


COMMANDS = (batches,)
