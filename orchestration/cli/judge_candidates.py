"""Commands about candidates for judges: realign, candidates, compare, promote.

The work is in `evals.realign`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import open_existing, suggest_name
from orchestration.cli.options import USAGE, fail, json_option, settings_options
from orchestration.cli.scoring import open_scoring_run
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.realign.evidence import Evidence, Figures, Measured
    from evals.realign.labelled_judge import LabelledJudge
    from evals.realign.rivals import Rivals
    from evals.runs.runner import ScoringRun
    from evals.specs import Catalog, Judge
    from evals.storage.documents.judge_candidates import StoredCandidate
    from evals.storage.lake import Lake
    from orchestration.settings import Settings


@click.command("realign")
@settings_options
@click.argument("name")
@click.option(
    "--max-calls", type=click.IntRange(0), help="The most calls; otherwise the catalog's."
)
@json_option
def realign_judge(settings: Settings, name: str, max_calls: int | None, as_json: bool) -> None:
    """Makes candidates for a judge from people's labels, and measures them on dev labels.

    The best is looked at once on the test labels, and the look is counted. Calls count against the
    day's budget; without calls to spend only what needs none is measured.

    \b
    Examples:
      andon judge realign faithful-summary
      andon judge realign faithful-summary --max-calls 400
    """
    from evals.realign.optimizer import NoOptimizer
    from evals.realign.proposals import find_most_calls, propose

    lake, catalog = open_existing(settings), settings.load_catalog()
    spec = find_judge(catalog, name)
    calls = find_most_calls(catalog, spec) if max_calls is None else max_calls
    try:
        with open_scoring_run(settings, lake, catalog, "realign") as run:
            found = propose(open_judge(settings, lake, catalog, spec, run, calls))
    except NoOptimizer as error:
        fail(USAGE, str(error))
    if as_json:
        rows = [describe_candidate(one) for one in found.candidates]
        terminal.print_json({"judge": name, "why": found.why, "candidates": rows})
        return
    for one in found.candidates:
        print_candidate(one)
    terminal.print_line(f"{name}: {found.why}")


@click.command("candidates")
@settings_options
@click.argument("name", required=False)
@json_option
def list_candidates(settings: Settings, name: str | None, as_json: bool) -> None:
    """Lists the stored candidates for a judge with what was measured of them; or for all judges.

    Classifiers of a dimension that the judge decides are among them.

    \b
    Examples:
      andon judge candidates
      andon judge candidates faithful-summary --json
    """
    from evals.storage.documents import judge_candidates

    lake, catalog = open_existing(settings), settings.load_catalog()
    judges = [find_judge(catalog, name).judge] if name else sorted(catalog.judges)
    stored = {judge: judge_candidates.list_candidates(lake, judge) for judge in judges}
    if as_json:
        terminal.print_json([describe_candidate(one) for own in stored.values() for one in own])
        return
    for judge, own in stored.items():
        for one in own:
            print_candidate(one)
        if not own:
            terminal.print_line(f"{judge}: no candidates; `andon judge realign {judge}` makes them")


@click.command("compare")
@settings_options
@click.argument("name")
@click.argument("candidate", required=False)
@click.option("--app", help="The application, where recorded judges of several have the name.")
@json_option
def compare_judge(
    settings: Settings, name: str, candidate: str | None, app: str | None, as_json: bool
) -> None:
    """Compares a judge with a candidate, side by side, on the same labels of people.

    Without CANDIDATE, with the best one. NAME and CANDIDATE may also be two evaluators of one
    dimension, such as a recorded judge and a classifier.

    \b
    Examples:
      andon judge compare faithful-summary
      andon judge compare faithful-summary examples-1f0a22c4
      andon judge compare complies.gpt-4 complies
    """
    from evals.realign import rivals

    lake, catalog = open_existing(settings), settings.load_catalog()
    stored = find_stored(lake, name, candidate) if name in catalog.judges else None
    if stored is None and candidate is not None:
        found = rivals.compare_evaluators(lake, name, candidate, app)
        if isinstance(found, str):
            known = f"no candidate {candidate!r} of {name} (`andon judge candidates {name}`), and "
            fail(USAGE, f"{known if name in catalog.judges else ''}{found}")
        if as_json:
            terminal.print_json(rivals.describe_as_json(found))
            return
        print_rivals(found)
        return
    if stored is None:
        spec = find_judge(catalog, name)
        fail(USAGE, f"no candidate of {spec.judge} yet; `andon judge realign {spec.judge}`")
    work = open_judge(settings, lake, catalog, find_judge(catalog, name))
    disagreements = rivals.list_disagreements(work, stored)
    if as_json:
        rows = [one._asdict() for one in disagreements]
        terminal.print_json({**describe_candidate(stored), "disagreements": rows})
        return
    print_comparison(stored)
    terminal.print_lines(f"  {one.describe()}" for one in disagreements)


@click.command("promote")
@settings_options
@click.argument("name")
@click.argument("candidate")
@click.option("--force", is_flag=True, help="Promote it although something speaks against it.")
@click.option("--dry-run", is_flag=True, help="Print the change, and write nothing.")
@json_option
def promote_judge(
    settings: Settings, name: str, candidate: str, force: bool, dry_run: bool, as_json: bool
) -> None:
    """Promotes a candidate: writes the judge's file in the catalog, and prints the change.

    Of a classifier the model, and the suites that name it in the judge's place.

    Commit it. From then on nights are judged by it; its first report carries the rates of the judge
    before it over on anchors. Refuses where the file has uncommitted changes, where labels or judge
    changed since it was measured, or where the test labels do not show that it is better.

    \b
    Examples:
      andon judge promote faithful-summary examples-1f0a22c4 --dry-run
      andon judge promote faithful-summary examples-1f0a22c4
    """
    from evals.realign.promotion import prepare, write_promotion

    lake, catalog = open_existing(settings), settings.load_catalog()
    spec = find_judge(catalog, name)
    stored = find_stored(lake, name, candidate)
    if stored is None:
        fail(USAGE, f"no candidate {candidate!r} of {name}; `andon judge candidates {name}`")
    promotion = prepare(open_judge(settings, lake, catalog, spec), stored)
    if promotion.objections and not force and not dry_run:
        reasons = "; ".join(promotion.objections)
        fail(USAGE, f"{candidate} is not promoted: {reasons}. --force promotes it all the same")
    if not dry_run:
        write_promotion(promotion)
    if as_json:
        row = {"judge": name, "candidate": candidate, "written": not dry_run}
        row |= {"file": str(promotion.file), "objections": list(promotion.objections)}
        row |= {"files": list(map(str, promotion.files))}
        terminal.print_json({**row, "diff": promotion.diff})
        return
    terminal.print_lines(promotion.diff.splitlines() or ["the catalog has the candidate already"])
    for reason in promotion.objections:
        terminal.print_error(f"against it: {reason}")
    done = "would be written" if dry_run else "written; commit it"
    terminal.print_lines(f"{file}: {done}" for file in promotion.files)


def find_judge(catalog: Catalog, name: str) -> Judge:
    """Finds a judge of the catalog; ends the command where there is none."""
    spec = catalog.judges.get(name)
    if spec is None and name in catalog.classifiers:
        fail(USAGE, f"{name} is a classifier; `andon classifier list` lists its models")
    if spec is None:
        fail(USAGE, f"no judge {name!r}; {suggest_name(name, catalog.judges)}")
    return spec


def find_stored(lake: Lake, name: str, candidate: str | None) -> StoredCandidate | None:
    """Finds a candidate, or the best one; None where there is none."""
    from evals.realign.proposals import score_on_dev
    from evals.storage.documents.judge_candidates import list_candidates, read_candidate

    if candidate is not None:
        return read_candidate(lake, name, candidate)
    every = list_candidates(lake, name)
    return max(every, key=lambda one: score_on_dev(read_evidence(one)), default=None)


def open_judge(
    settings: Settings,
    lake: Lake,
    catalog: Catalog,
    spec: Judge,
    run: ScoringRun | None = None,
    calls: int = 0,
) -> LabelledJudge:
    """Opens a judge with its labels."""
    from evals.realign.labelled_judge import LabelledJudge

    references = run.references if run else settings.load_references(lake, catalog)
    return LabelledJudge(lake, catalog, references, spec, datetime.now(UTC), run, calls)


def describe_candidate(stored: StoredCandidate) -> dict[str, object]:
    """Returns a candidate as JSON."""
    row = stored._asdict()
    return {**row, "traces": list(stored.traces)}


def read_evidence(stored: StoredCandidate) -> Evidence:
    """Reads what was measured of a candidate."""
    from evals.realign.evidence import Evidence
    from evals.reports import json_form

    return json_form.from_json(Evidence, stored.evidence)


def print_candidate(stored: StoredCandidate) -> None:
    """Prints a candidate on a line, and what follows on another."""
    evidence = read_evidence(stored)
    price = describe_prices(evidence)
    terminal.print_line(f"{stored.judge} {stored.candidate}: {evidence.note}{price}")
    terminal.print_line(f"  {evidence.why}")


def describe_prices(evidence: Evidence) -> str:
    """Describes what judging 1,000 answers costs, and what it costs now."""
    now = evidence.usd_per_1000_now
    if evidence.usd_per_1000 is None or not (evidence.usd_per_1000 or now):
        return ""
    before = f", ${now:.2f} now" if now is not None else ""
    return f"; ${evidence.usd_per_1000:.2f} for 1,000 answers{before}"


def print_comparison(stored: StoredCandidate) -> None:
    """Prints a candidate beside the judge there is."""
    evidence = read_evidence(stored)
    print_candidate(stored)
    for name, measured in (("dev", evidence.dev), ("test", evidence.test)):
        if measured:
            print_measured(name, measured, stored.candidate)
    if evidence.test is None:
        terminal.print_line("  the test labels were not looked at for it")


def print_measured(split: str, measured: Measured, candidate: str) -> None:
    """Prints the figures of one split side by side, and their difference."""
    from evals.realign.evidence import format_difference

    difference = measured.difference
    terminal.print_line(f"  on {measured.candidate.n:,} {split} labels:")
    for name, figures in ((candidate, measured.candidate), ("now", measured.now)):
        terminal.print_line(f"    {name:<22} {describe_figures(figures)}")
    level = f" at {1 - difference.alpha:.1%}" if difference.alpha < 0.05 else ""
    terminal.print_line(
        f"    difference {format_difference(difference)}{level}; {difference.only_candidate} "
        f"answers only the candidate judges as people do, {difference.only_now} only the judge "
        "there is"
    )


def describe_figures(figures: Figures) -> str:
    """Describes a judge's figures on a line."""
    rates = (("TPR", figures.tpr), ("TNR", figures.tnr), ("balanced", figures.balanced))
    return ", ".join(
        f"{name} {rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})" for name, rate in rates
    )


def print_rivals(found: Rivals) -> None:
    """Prints two evaluators of one dimension side by side."""
    terminal.print_line(f"{found.candidate} against {found.incumbent} in {found.app}:")
    print_measured(found.split, found.measured, found.candidate)
    terminal.print_line(f"  so {found.describe()}")
    terminal.print_lines(f"  {one.describe()}" for one in found.disagreements)


SUBCOMMANDS = (realign_judge, list_candidates, compare_judge, promote_judge)
