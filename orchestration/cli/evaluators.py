"""Commands about evaluators: list, show, test, audit.

What they print is made in `evals.experiments.evaluator_trial` and `evals.audit`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.evaluator_lines import (
    describe,
    describe_json,
    describe_reads,
    describe_type,
    name_check,
    print_trial,
    to_json,
)
from orchestration.cli.lookups import check_app, open_existing, suggest_name
from orchestration.cli.options import (
    DAY,
    INFRASTRUCTURE,
    REGRESSED,
    USAGE,
    fail,
    json_option,
    settings_options,
)
from orchestration.cli.scoring import open_scoring_run, print_case_run
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.audit.findings import Finding
    from evals.cases.judging import CaseRun
    from evals.experiments.evaluator_trial import Trial
    from evals.specs import Catalog, Evaluator
    from evals.storage.lake import Lake
    from orchestration.settings import Settings

app_option = click.option("--app", help="Only of this application.")


@click.group()
def evaluator() -> None:
    """Lists evaluators, shows one, tries one on a few traces, audits all."""


@evaluator.command("list")
@settings_options
@app_option
@click.option("--available", is_flag=True, help="What a suite or a guardrail may name instead.")
@json_option
def evaluator_list(settings: Settings, app: str | None, available: bool, as_json: bool) -> None:
    """Lists the catalog's evaluators, by application.

    \b
    Examples:
      andon evaluator list --app chat
      andon evaluator list --available
    """
    if available:
        print_available(as_json)
        return
    evaluators = resolve(settings, app)
    if as_json:
        terminal.print_json([describe_json(one) for one in evaluators])
        return
    widths = [max([len(one.app) for one in evaluators], default=0)]
    widths.append(max([len(one.dimension) for one in evaluators], default=0))
    for one in evaluators:
        asked = f"asks {one.pin.name}" if one.pin else "code"
        where = f", where {one.where}" if one.where else ""
        terminal.print_line(
            f"{one.app:<{widths[0]}}  {one.dimension:<{widths[1]}}  {name_check(one)} ({asked}; "
            f"{describe_reads(one)}{where})"
        )


@evaluator.command("show")
@settings_options
@click.argument("name")
@app_option
@json_option
def evaluator_show(settings: Settings, name: str, app: str | None, as_json: bool) -> None:
    """Shows one evaluator: its question, what it reads, its params, and its version's parts.

    NAME is an evaluator, a dimension, or a check that the catalog uses.

    \b
    Examples:
      andon evaluator show faithful-summary
      andon evaluator show valid-json --app extraction --json
    """
    found = find(settings, name, app)
    if as_json:
        terminal.print_json([describe_json(one) for one in found])
        return
    for one in found:
        terminal.print_lines(describe(one))


@evaluator.command("test")
@settings_options
@click.argument("name")
@app_option
@click.option("--trace", "ids", multiple=True, help="A trace of the night, by id; repeatable.")
@click.option("--date", "night", type=DAY, help="The night of the traces [the last].")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Traces of a file in any known format, instead of a night's; asks no model.",
)
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 500))
@click.option("--ask", is_flag=True, help="Ask the model where no answer is stored; it is paid.")
@json_option
def evaluator_test(
    settings: Settings,
    name: str,
    app: str | None,
    ids: tuple[str, ...],
    night: date | None,
    file: Path | None,
    count: int,
    ask: bool,
    as_json: bool,
) -> None:
    """Runs one evaluator on a few traces, and shows what it read and concluded.

    Stores no score. Shows traces with different outcomes by turns, unless `--trace` names them.
    Where the catalog has labelled examples (`examples/DIMENSION.jsonl`, as `andon scaffold` drafts
    them) these are run first; exits 1 where one is judged otherwise than people did.

    \b
    Examples:
      andon evaluator test valid-json
      andon evaluator test faithful-summary --count 3 --ask
      andon evaluator test valid-json --app extraction --file export.jsonl
    """
    if file and (ask or ids or night):
        fail(USAGE, "--file goes without --trace, --date and --ask; traces of a night are asked")
    catalog = settings.load_catalog()
    found = find(settings, name, app)
    is_named = bool(file or ids or night)
    examples = [] if is_named else run_examples(settings, catalog, found, ask=ask)
    trials = list(run_trials(settings, catalog, found, ids, night, file, count, ask=ask))
    if as_json:
        print_trials_json(trials, examples)
    else:
        for run in examples:
            print_case_run(run, name, "labelled example")
        for trial in trials:
            print_trial(trial, ask=ask)
    if any(run.counts["regressed"] for run in examples):
        sys.exit(REGRESSED)


@evaluator.command("audit")
@settings_options
@app_option
@json_option
def evaluator_audit(settings: Settings, app: str | None, as_json: bool) -> None:
    """Finds evaluators that do not earn their place, by what the last 28 nights show.

    Judges where code would do, judges without people's support, dimensions that fail the same
    answers, scores that decide nothing, generic metrics, dimensions that no answer fails.

    \b
    Examples:
      andon evaluator audit
      andon evaluator audit --app chat --json
    """
    from evals.audit import evidence, findings

    lake, catalog = open_existing(settings), settings.load_catalog()
    check_app(settings, lake, app)
    audited = evidence.collect(lake, catalog, app)
    found = findings.conclude(audited)
    if as_json:
        nights = {"from": audited.first, "to": audited.last}
        shown = [one._asdict() for one in found]
        terminal.print_json({**nights, "evaluators": len(audited.records), "findings": shown})
        return
    print_findings(found, len(audited.records), audited.first, audited.last)


def print_trials_json(trials: Iterable[Trial], examples: Iterable[CaseRun]) -> None:
    """Prints trials as JSON, each with the labelled examples of its evaluator."""
    from evals.cases import showing

    by_app = {run.app: showing.to_json(run) for run in examples}
    shown = [{**to_json(one), "examples": by_app.get(one.evaluator.app)} for one in trials]
    terminal.print_json(shown)


def resolve(settings: Settings, app: str | None) -> list[Evaluator]:
    """Resolves the evaluators of the catalog's applications, or of one."""
    from evals.evaluators.resolution import resolve_app

    catalog = settings.load_catalog()
    if app and app not in catalog.apps:
        fail(USAGE, f"no application {app!r} in the catalog; {suggest_name(app, catalog.apps)}")
    names = [app] if app else sorted(catalog.apps)
    return [one for name in names for one in resolve_app(catalog, name)]


def find(settings: Settings, name: str, app: str | None) -> list[Evaluator]:
    """Finds evaluators by name; ends the command where there is none."""
    from evals.experiments.evaluator_trial import find_evaluators

    evaluators = resolve(settings, app)
    found = find_evaluators(evaluators, name)
    if not found:
        names = {one.name for one in evaluators} | {one.dimension for one in evaluators}
        fail(USAGE, f"no evaluator {name!r}; {suggest_name(name, names)}")
    return found


def link(catalog: Catalog, evaluator: Evaluator) -> Evaluator:
    """Links an evaluator to those of its application that it depends on."""
    from evals.evaluators.peers import link_peers
    from evals.evaluators.resolution import resolve_app

    linked = link_peers(resolve_app(catalog, evaluator.app))
    return next((one for one in linked if one.name == evaluator.name), evaluator)


def run_trials(
    settings: Settings,
    catalog: Catalog,
    found: Iterable[Evaluator],
    ids: tuple[str, ...],
    night: date | None,
    file: Path | None,
    count: int,
    *,
    ask: bool,
) -> Iterator[Trial]:
    """Tries each evaluator found, on a file's traces or on a night's."""
    from evals.experiments import evaluator_trial
    from evals.runs.model_servers import locate_model

    lake = open_existing(settings) if file is None else settings.open_lake()
    with open_scoring_run(settings, lake, catalog, "trial") as run:
        for one in found:
            located = locate_model(lake, catalog, link(catalog, one))
            if file:
                today = datetime.now(UTC).date()
                yield evaluator_trial.try_on_file(
                    run, catalog, located, file, count=count, today=today
                )
            else:
                chosen = night or find_night(lake, one.app)
                yield evaluator_trial.try_on_night(run, located, chosen, ids, count=count, ask=ask)


def run_examples(
    settings: Settings, catalog: Catalog, found: Iterable[Evaluator], *, ask: bool
) -> list[CaseRun]:
    """Runs the labelled examples in `examples/` of each evaluator that has some."""
    from evals.cases.judging import load_examples, run_cases

    sets = [(one, load_examples(catalog, one.app, one.dimension)) for one in found]
    if not any(cases for _, cases in sets):
        return []
    lake, today = settings.open_lake(), datetime.now(UTC).date()
    with open_scoring_run(settings, lake, catalog, "examples") as run:
        return [
            run_cases(run, catalog, one.app, cases, ask=ask, today=today)
            for one, cases in sets
            if cases
        ]


def find_night(lake: Lake, app: str) -> date:
    """Finds the last night with traces of an application; ends the command where there is none."""
    from evals.worklist.night_contents import NightTraces

    nights = reversed(lake.list_nights("traces"))
    found = next((night for night in nights if app in NightTraces(lake, night).apps), None)
    if found is None:
        fail(INFRASTRUCTURE, f"no traces of {app} yet; run `andon nightly`, or name a --file")
    return found


def print_available(as_json: bool) -> None:
    """Prints the evaluators that come with Andon, and those of installed packages."""
    from evals.evaluators import registry

    types = registry.all_types()
    rows = [describe_type(one) for one in types.values() if one.kind not in registry.UNDECLARED]
    rows.sort(key=lambda row: (str(row["kind"]), str(row["name"])))
    if as_json:
        terminal.print_json(rows)
        return
    terminal.print_lines(f"{row['kind']} {row['name']}: {row['passes_when']}" for row in rows)


def print_findings(
    found: list[Finding], evaluators: int, first: date | None, last: date | None
) -> None:
    """Prints an audit by kind of finding."""
    from evals.audit.findings import KINDS, group_by_kind

    if first is None:
        terminal.print_line(f"{evaluators} evaluators; no night is reported yet")
    else:
        terminal.print_line(f"{evaluators} evaluators, nights {first} to {last}")
    for kind, findings in group_by_kind(found).items():
        terminal.print_line(f"{KINDS[kind]}: {len(findings)}")
        for one in findings:
            terminal.print_line(f"  {one.evaluator} in {one.app}: {one.evidence}")
            terminal.print_line(f"    {one.advice}")
    if not found:
        terminal.print_line("nothing found")


COMMANDS = (evaluator,)
