"""Commands about judges: attack.

What an attack is and who carries it is `evals.worklist.canaries`'.
"""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from orchestration.cli.options import USAGE, as_json, fail, located, place
from orchestration.runtime import terminal


@click.group()
def judge() -> None:
    """Tries judges on demand."""


@judge.command("attack")
@located
@click.argument("name")
@click.option("--app", help="Only its use in this application.")
@as_json
def judge_attack(
    home: Path | None, catalog: Path | None, name: str, app: str | None, as_json: bool
) -> None:
    """Puts every attack of the suite to a judge, on answers that people failed.

    Answers are paid once, within the day's budget, and kept in the ledger; asking again after a
    change of the judge shows whether it holds better. Needs labels that fail an answer.

    \b
    Examples:
      andon judge attack faithful-summary
      andon judge attack faithful-summary --app notifications --json
    """
    here = place(home, catalog)
    rows = [trial.document() for trial in trials(here, name, app)]
    if as_json:
        terminal.show(rows)
        return
    for row in rows:
        tell(row)


def trials(here: Any, name: str, app: str | None) -> list[Any]:
    """One trial for each application that uses the judge."""
    from evals.calls.day_budget import open_budget
    from evals.experiments import attack_trial
    from evals.storage import ledger
    from orchestration.runtime.interrupts import Interrupts
    from orchestration.runtime.progress import Progress

    lake, cat = here.lake(), here.catalog()
    found, nights = attack_trial.uses(cat, name, app), lake.nights("traces")
    if not found:
        fail(
            USAGE, f"no application uses a judge {name!r}; judges: {', '.join(sorted(cat.judges))}"
        )
    if not nights:
        fail(USAGE, "no traces yet: `andon nightly` first, then label answers that are bad")
    run, today = f"attack-{secrets.token_hex(4)}", datetime.now(UTC).date()
    references = here.references(lake)
    with open_budget(lake, run, today, cat) as budget, ledger.journal(lake, run) as journal:
        how: Any = {"purse": budget, "progress": Progress.asked, "stop": Interrupts.stop}
        return [
            attack_trial.attack(lake, cat, references, one, journal, nights[-1], **how)
            for one in found
        ]


def tell(row: dict[str, Any]) -> None:
    """A trial as a table by family."""
    terminal.say(f"{row['judge']} in {row['app']}: {row['state']}; {row['reason']}")
    for family in row["families"]:
        terminal.say(f"  {family['family']:<12} passed {family['passed']:>3} of {family['n']:>3}")
    if row["n"]:
        terminal.say(
            f"  {row['rate']:.0%} of {row['n']} ({row['low']:.0%} to {row['high']:.0%}), "
            f"allowed {row['limit']:.0%}; {row['calls']} calls"
        )
    if row["fell_for"]:
        terminal.say(f"  fell for: {', '.join(row['fell_for'])}")


COMMANDS = (judge,)
