"""Commands about batches at providers: list, cancel.

`andon nightly` sends batches and reads their answers.
"""

from datetime import UTC, datetime

import click

from orchestration.cli.lookups import open_existing
from orchestration.cli.options import (
    INFRASTRUCTURE,
    USAGE,
    fail,
    json_option,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.settings import Settings


@click.group()
def batches() -> None:
    """Lists and cancels batches at providers (judges with `via: batch` or `auto`)."""


@batches.command("list")
@settings_options
@click.option("--open", "only_open", is_flag=True, help="Only open batches.")
@json_option
def batches_list(settings: Settings, only_open: bool, as_json: bool) -> None:
    """Lists batches, newest first, with their last known state; contacts no provider.

    \b
    Examples:
      andon batches list
      andon batches list --open --json
    """
    from evals.storage.documents.batch_jobs import describe_job, read_jobs

    jobs = list(read_jobs(open_existing(settings)))
    rows = [describe_job(job) for job in reversed(jobs) if job.is_open or not only_open]
    if as_json:
        terminal.print_json(rows)
        return
    for row in rows:
        done = f"{row['done']} of {row['requests']}"
        cost = f"${row['usd']:.4f}" if not row["open"] else f"at most ${row['at_most_usd']:.4f}"
        problem = f"  ({row['problem']})" if row["problem"] else ""
        terminal.print_line(
            f"{row['batch']}  {row['state']} {row['provider_says']}  {done}  {cost}{problem}"
        )
    if not rows:
        terminal.print_line("no batches; judges with `via: batch` or `via: auto` send them")


@batches.command("cancel")
@settings_options
@click.argument("name")
def batches_cancel(settings: Settings, name: str) -> None:
    """Asks the provider to cancel a batch; answers made by then are charged and used.

    \b
    Example:
      andon batches cancel 2026-10-14-faithful-summary-0f3a9c21b7de
    """
    from evals import models
    from evals.calls.routing import cancel_batch
    from evals.storage.documents.batch_jobs import read_job

    lake = open_existing(settings)
    job = read_job(lake, name)
    if job is None or not job.is_open:
        fail(USAGE, f"no open batch {name!r}; `andon batches list --open` lists the open ones")
    try:
        job = cancel_batch(lake, settings.load_catalog(), job, datetime.now(UTC))
    except (models.ModelError, models.Unavailable) as error:
        fail(INFRASTRUCTURE, f"the provider could not be reached: {error}")
    after = "`andon nightly` reads its answers" if job.is_open else "it had not been sent yet"
    terminal.print_line(f"{name}: {job.status or job.state}; {after}")


COMMANDS = (batches,)
