"""Commands of the digest: show a message, send what is due, try a target.

What a message says and to whom it goes is decided in `evals.digests`.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NoReturn

import click

from orchestration.cli.lookups import check_app, open_existing, suggest_name
from orchestration.cli.options import (
    DAY,
    DONE,
    INFRASTRUCTURE,
    USAGE,
    fail,
    json_option,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.digests.sending import DigestRun, Draft
    from evals.specs import Catalog


@click.group()
def digest() -> None:
    """Shows and sends the message about each night; `andon nightly` sends what is due, too."""


@digest.command("show")
@settings_options
@click.option("--app", required=True, help="The application.")
@click.option("--date", "only", type=DAY, help="The night; default: its last.")
@json_option
def show_digest(settings: Settings, app: str, only: date | None, as_json: bool) -> None:
    """Shows the message about a night, and sends nothing.

    \b
    Example:
      andon digest show --app extraction --date 2026-10-08
    """
    from evals.digests.nights import read_home
    from evals.digests.sending import draft_night

    lake = open_existing(settings)
    check_app(settings, lake, app)
    home = read_home(lake, settings.load_catalog(), datetime.now(UTC))
    lost = home.missing.get(app)
    nights = [night for night, state in home.states.items() if app in state.reports]
    nights += [lost.date] if lost else []
    night = only or (max(nights) if nights else None)
    draft = draft_night(home, app, night) if night else None
    if draft is None:
        fail(INFRASTRUCTURE, f"{app} has no report{f' of {night}' if night else ''} to announce")
    print_drafts([draft], as_json=as_json)


@digest.command("send")
@settings_options
@click.option("--dry-run", is_flag=True, help="Show the messages that are due, and stop.")
@click.option("--again", is_flag=True, help="Send the message of --app and --date once more.")
@click.option("--app", help="With --again: the application.")
@click.option("--date", "only", type=DAY, help="With --again: the night.")
@json_option
def send_digest(
    settings: Settings,
    dry_run: bool,
    again: bool,
    app: str | None,
    only: date | None,
    as_json: bool,
) -> None:
    """Sends every message that is due: each once to each target of the catalog's `digest`.

    A night is announced once it is final, again only where its verdict or its incidents are
    others, and then in one line. A target that fails is tried by later runs, eight times in all.
    Exits 4 where one failed.

    \b
    Examples:
      andon digest send
      andon digest send --dry-run
      andon digest send --again --app extraction --date 2026-10-08
    """
    from evals.digests import sending

    lake, catalog, now = open_existing(settings), settings.load_catalog(), datetime.now(UTC)
    require_targets(catalog)
    if again != bool(app and only) or ((app or only) and not again):
        fail(USAGE, "--again, --app and --date belong together")
    if dry_run:
        print_drafts(sending.list_drafts(lake, catalog, now), as_json=as_json)
        print_waiting(settings, now)
        return
    if app and only:
        check_app(settings, lake, app)
        end_run(sending.send_again(lake, catalog, app, only, now), as_json=as_json)
    run = sending.send_digests(lake, catalog, now)
    print_waiting(settings, now)
    end_run(run, as_json=as_json)


@digest.command("test")
@settings_options
@click.option("--target", help="One target; default: each of them.")
def test_digest(settings: Settings, target: str | None) -> None:
    """Sends a test message to the targets; exits 4 where one cannot be reached.

    \b
    Example:
      andon digest test --target team
    """
    from evals.digests.messages import compose_test
    from evals.digests.targets import UnusableTarget, open_target

    catalog = settings.load_catalog()
    require_targets(catalog)
    targets = catalog.digest.targets
    if target is not None and target not in targets:
        fail(USAGE, f"no target {target!r}; {suggest_name(target, targets)}")
    failed = False
    for name in [target] if target is not None else targets:
        try:
            reason = open_target(targets[name])(compose_test(name), datetime.now(UTC)).reason
        except UnusableTarget as error:
            reason = str(error)
        failed |= bool(reason)
        terminal.print_line(f"{name}: {reason or 'sent'}")
    sys.exit(INFRASTRUCTURE if failed else DONE)


def require_targets(catalog: Catalog) -> None:
    """Ends the command where the catalog has no targets."""
    if not catalog.digest.targets:
        fail(USAGE, f"{catalog.root / 'catalog.yaml'}: no `digest.targets`; see docs/digest.md")


def print_drafts(drafts: list[Draft], *, as_json: bool) -> None:
    """Prints messages with their targets."""
    from evals.digests.plain_text import fit_lines
    from evals.digests.targets import MOST_CHARS

    if as_json:
        terminal.print_json(
            [
                {
                    "app": one.app,
                    "date": one.message.night.isoformat(),
                    "kind": one.message.kind,
                    "targets": [delivery.target for delivery in one.message.deliveries],
                    "title": one.text.title,
                    "message": fit_lines(one.text.lines, MOST_CHARS),
                }
                for one in drafts
            ]
        )
        return
    for one in drafts:
        to = ", ".join(delivery.target for delivery in one.message.deliveries) or "nobody"
        terminal.print_line(f"to {to}: {one.text.title}")
        terminal.print_lines(
            f"  {line}" for line in fit_lines(one.text.lines, MOST_CHARS).splitlines()
        )
    if not drafts:
        terminal.print_line("no message is due")


def print_waiting(settings: Settings, now: datetime) -> None:
    """Prints which nights are announced later, since they may still get traces."""
    from evals.digests.nights import read_home

    home = read_home(settings.open_lake(), settings.load_catalog(), now)
    for night, app, until in home.list_waiting():
        terminal.print_error(f"{app}, {night}: provisional until {until[:16]} UTC, sent after that")


def end_run(run: DigestRun, *, as_json: bool) -> NoReturn:
    """Prints what a run sent, and ends the command."""
    if as_json:
        terminal.print_json({"sent": run.sent, "waiting": run.waiting, "failures": [*run.failures]})
    else:
        terminal.print_line("1 message sent" if run.sent == 1 else f"{run.sent} messages sent")
    for failure in run.failures:
        terminal.print_error(failure)
    sys.exit(INFRASTRUCTURE if run.failures else DONE)


COMMANDS = (digest,)
