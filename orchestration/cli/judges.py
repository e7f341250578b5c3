"""Commands about judges: alignment, realign, candidates, compare, promote, attack.

The attacks are in `evals.worklist.canaries`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestration.cli import judge_candidates
from orchestration.cli.judge_alignment import judge_alignment
from orchestration.cli.lookups import open_existing
from orchestration.cli.options import USAGE, fail, json_option, settings_options
from orchestration.cli.scoring import open_scoring_run
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.experiments.attack_trial import Trial
    from orchestration.settings import Settings


@click.group()
def judge() -> None:
    """Measures judges against people, and tries them on demand."""


for command in (judge_alignment, *judge_candidates.SUBCOMMANDS):
    judge.add_command(command)


@judge.command("attack")
@settings_options
@click.argument("name")
@click.option("--app", help="Only its use in this application.")
@json_option
def judge_attack(settings: Settings, name: str, app: str | None, as_json: bool) -> None:
    """Tries every attack of the suite on a judge, with answers that people failed.

    Calls count against the day's budget, and their answers are kept in the ledger; run it again
    after changing the judge to compare. Needs labels that fail an answer.

    \b
    Examples:
      andon judge attack faithful-summary
      andon judge attack faithful-summary --app notifications --json
    """
    trials = run_trials(settings, name, app)
    if as_json:
        terminal.print_json([trial.to_json() for trial in trials])
        return
    for trial in trials:
        print_trial(trial)


def run_trials(settings: Settings, name: str, app: str | None) -> list[Trial]:
    """Runs one trial for each application that uses the judge."""
    from evals.experiments import attack_trial

    lake, cat = open_existing(settings), settings.load_catalog()
    uses, nights = attack_trial.find_uses(lake, cat, name, app), lake.list_nights("traces")
    if not uses:
        fail(
            USAGE, f"no application uses a judge {name!r}; judges: {', '.join(sorted(cat.judges))}"
        )
    if not nights:
        fail(USAGE, "no traces yet: run `andon nightly`, then label answers that are bad")
    with open_scoring_run(settings, lake, cat, "attack") as run:
        return [attack_trial.try_attacks(run, cat, use, nights[-1]) for use in uses]


def print_trial(trial: Trial) -> None:
    """Prints a trial as a table by family of attacks."""
    row = trial.to_json()
    terminal.print_line(f"{row['judge']} in {row['app']}: {row['state']}; {row['reason']}")
    terminal.print_lines(
        f"  {family['family']:<12} passed {family['passed']:>3} of {family['n']:>3}"
        for family in row["families"]
    )
    if row["n"]:
        terminal.print_line(
            f"  {row['rate']:.0%} of {row['n']} ({row['low']:.0%} to {row['high']:.0%}), "
            f"allowed {row['limit']:.0%}; {row['calls']} calls"
        )
    if row["fell_for"]:
        terminal.print_line(f"  fell for: {', '.join(row['fell_for'])}")


COMMANDS = (judge,)
