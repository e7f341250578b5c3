"""Commands about classifiers: train, list, show, compare, promote.

The work is in `evals.training`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import open_existing, suggest_name
from orchestration.cli.options import USAGE, fail, json_option, settings_options
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.classifiers.cards import Card, Figures
    from evals.specs import Catalog, Classifier
    from evals.storage.lake import Lake
    from evals.training.candidates import Candidate, Comparison
    from orchestration.settings import Settings


@click.group()
def classifier() -> None:
    """Trains classifiers from labels, compares them, and promotes what a person chooses."""


@classifier.command("train")
@settings_options
@click.argument("name")
@json_option
def train_classifier(settings: Settings, name: str, as_json: bool) -> None:
    """Trains a classifier from the labels there are, and stores it as a candidate.

    The same labels give the same model. It judges nothing until it is promoted.

    \b
    Examples:
      andon classifier train complies
      andon classifier train complies --json
    """
    from evals.classifiers.embeddings import EmbeddingsError
    from evals.classifiers.fitting import TooFewExamples
    from evals.training.candidates import train
    from evals.training.examples import NotAligned

    lake, catalog = open_existing(settings), settings.load_catalog()
    spec = find_classifier(catalog, name)
    try:
        trained = train(lake, catalog, spec, datetime.now(UTC))
    except (NotAligned, TooFewExamples, EmbeddingsError) as error:
        fail(USAGE, f"{name} cannot be trained: {error}")
    if as_json:
        terminal.print_json(describe_card(trained.card, spec))
        return
    print_card(trained.card, spec)
    if trained.card.model != spec.model:
        terminal.print_line(
            f"next: `andon classifier compare {name}` shows what it may decide, "
            f"`andon classifier promote {name}` writes it to the catalog"
        )


@classifier.command("list")
@settings_options
@json_option
def list_classifiers(settings: Settings, as_json: bool) -> None:
    """Lists the catalog's classifiers with their models, the last trained first.

    \b
    Example:
      andon classifier list
    """
    from evals.training.candidates import list_candidates

    lake, catalog = open_existing(settings), settings.load_catalog()
    specs = [spec for _, spec in sorted(catalog.classifiers.items())]
    models = {spec.classifier: list_candidates(lake, catalog, spec) for spec in specs}
    if as_json:
        shown = [
            {
                "classifier": spec.classifier,
                "dimension": spec.dimension,
                "promoted": spec.model,
                "models": [describe_card(one.card, spec) for one in models[spec.classifier]],
            }
            for spec in specs
        ]
        terminal.print_json(shown)
        return
    for spec in specs:
        terminal.print_line(f"{spec.classifier}: learns {spec.dimension}; {name_promoted(spec)}")
        terminal.print_lines(
            f"  {describe_model(one.card, spec)}" for one in models[spec.classifier]
        )
    if not specs:
        terminal.print_line("no classifiers; declare one in `classifiers/NAME.yaml`")


@classifier.command("show")
@settings_options
@click.argument("name")
@click.argument("model", required=False)
@json_option
def show_classifier(settings: Settings, name: str, model: str | None, as_json: bool) -> None:
    """Shows what a model learned from and how well it agrees; without MODEL, the promoted one.

    \b
    Examples:
      andon classifier show complies
      andon classifier show complies 5452f7d66f7ff789 --json
    """
    lake, catalog = open_existing(settings), settings.load_catalog()
    spec = find_classifier(catalog, name)
    found = find_candidate(lake, catalog, spec, model or spec.model)
    if as_json:
        terminal.print_json(describe_card(found.card, spec))
        return
    print_card(found.card, spec)


@classifier.command("compare")
@settings_options
@click.argument("name")
@click.argument("model", required=False)
@json_option
def compare_classifier(settings: Settings, name: str, model: str | None, as_json: bool) -> None:
    """Compares a model with the promoted one on the same held-out labels.

    Without MODEL, the last trained one.

    \b
    Examples:
      andon classifier compare complies
      andon classifier compare complies 5452f7d66f7ff789 --json
    """
    from evals.training.candidates import compare

    lake, catalog = open_existing(settings), settings.load_catalog()
    spec = find_classifier(catalog, name)
    compared = compare(lake, catalog, spec, find_candidate(lake, catalog, spec, model))
    if as_json:
        terminal.print_json(describe_comparison(compared))
        return
    print_comparison(compared)


@classifier.command("promote")
@settings_options
@click.argument("name")
@click.argument("model", required=False)
@click.option("--force", is_flag=True, help="Promote it although something speaks against it.")
@json_option
def promote_classifier(
    settings: Settings, name: str, model: str | None, force: bool, as_json: bool
) -> None:
    """Promotes a model: new nights are judged by it. Without MODEL, the last trained one.

    Writes the catalog: `model` in the classifier's file, and the model and its card beside it.
    Commit these files. Nights that are reported keep the model they have. Refuses where the file
    has uncommitted changes, or where the held-out labels do not show that the model is better than
    the promoted one.

    \b
    Examples:
      andon classifier promote complies
      andon classifier promote complies 5452f7d66f7ff789
    """
    from evals.training.proposals import list_objections, promote

    lake, catalog = open_existing(settings), settings.load_catalog()
    spec = find_classifier(catalog, name)
    found = find_candidate(lake, catalog, spec, model)
    chosen = found.card.model
    objections = [] if force else list_objections(lake, catalog, spec, found)
    if objections:
        reasons = "; ".join(objections)
        fail(USAGE, f"{chosen} is not promoted: {reasons}. --force promotes it all the same")
    files = promote(lake, catalog, spec, chosen)
    if as_json:
        shown = {"classifier": name, "promoted": chosen, "before": spec.model}
        terminal.print_json({**shown, "files": [str(file) for file in files]})
        return
    before = f" in place of {spec.model}" if spec.model and spec.model != chosen else ""
    terminal.print_line(f"{name}: promoted {chosen}{before}; commit these files:")
    terminal.print_lines(f"  {file}" for file in files)


def find_classifier(catalog: Catalog, name: str) -> Classifier:
    """Finds a classifier of the catalog; ends the command where there is none."""
    spec = catalog.classifiers.get(name)
    if spec is None:
        fail(USAGE, f"no classifier {name!r}; {suggest_name(name, catalog.classifiers)}")
    return spec


def find_candidate(lake: Lake, catalog: Catalog, spec: Classifier, model: str | None) -> Candidate:
    """Finds a model, or the last trained one; ends the command where there is none."""
    from evals.training.candidates import list_candidates, load_candidate

    if model is None:
        found = next(iter(list_candidates(lake, catalog, spec)), None)
    else:
        found = load_candidate(lake, catalog, spec, model)
    if found is None:
        which = (
            f"no model {model} of {spec.classifier}"
            if model
            else f"no model of {spec.classifier} yet"
        )
        fail(USAGE, f"{which}; `andon classifier train {spec.classifier}` trains one")
    return found


def name_promoted(spec: Classifier) -> str:
    """Names the promoted model."""
    return f"promoted: {spec.model}" if spec.model else "no model is promoted: it judges nothing"


def describe_card(card: Card, spec: Classifier) -> dict[str, object]:
    """Returns a card as JSON."""
    shown = card.model_dump(mode="json", exclude={"reference"})
    return {**shown, "promoted": card.model == spec.model}


def describe_model(card: Card, spec: Classifier) -> str:
    """Describes a model on a line."""
    labels = card.data.passes + card.data.fails
    mark = ", promoted" if card.model == spec.model else ""
    return (
        f"{card.model}{mark}: {card.trained[:10]}, {labels:,} labels; "
        f"{describe_figures(card.held_out) or 'nothing held out yet'}"
    )


def describe_figures(figures: Figures | None) -> str:
    """Describes agreement on a line; empty without any."""
    if figures is None:
        return ""
    mean = figures.balanced
    return (
        f"agreement {mean.rate:.3f} ({mean.low:.3f} to {mean.high:.3f}), TPR "
        f"{figures.tpr.rate:.3f}, TNR {figures.tnr.rate:.3f}, F1 {figures.f1:.3f}"
    )


def print_card(card: Card, spec: Classifier) -> None:
    """Prints a card."""
    data = card.data
    terminal.print_line(f"{card.classifier}: {describe_model(card, spec)}")
    terminal.print_line(
        f"  learned {card.dimension} from {card.learns_from}: {data.passes:,} passes and "
        f"{data.fails:,} failures in {data.groups:,} groups"
        + (f", nights {data.first} to {data.last}" if data.first else "")
    )
    terminal.print_line(
        f"  fails from P(fail) {card.threshold:.5g} on: chosen to flag {card.recall:.0%} of the "
        "failures"
    )
    rows = [("cross-validated", card.cross_validated), ("held out", card.held_out)]
    rows += [(one.name, one.held_out or one.cross_validated) for one in card.baselines]
    for name, figures in rows:
        if figures:
            terminal.print_line(f"  {name:<15} {describe_figures(figures)}")
    for point in card.curve:
        mean = point.balanced
        terminal.print_line(
            f"  after {point.n:>5,} labels {mean.rate:.3f} ({mean.low:.3f} to {mean.high:.3f})"
        )


def describe_comparison(compared: Comparison) -> dict[str, object]:
    """Returns a comparison as JSON."""
    figures = (compared.candidate_figures, compared.incumbent_figures)
    one, other = (value.model_dump(mode="json") if value else None for value in figures)
    difference = compared.difference
    return {
        "candidate": compared.candidate,
        "incumbent": compared.incumbent,
        "n": compared.n,
        "candidate_figures": one,
        "incumbent_figures": other,
        "difference": [round(x, 4) for x in difference[:3]] if difference else None,
        "only_candidate": difference.only_first if difference else 0,
        "only_incumbent": difference.only_second if difference else 0,
        "p": difference.p if difference else None,
        "result": compared.result,
    }


def print_comparison(compared: Comparison) -> None:
    """Prints a comparison."""
    terminal.print_line(f"on {compared.n:,} held-out labels of people:")
    if compared.candidate == compared.incumbent:
        terminal.print_line(
            f"  {compared.candidate} {describe_figures(compared.candidate_figures)}"
        )
        terminal.print_line("  it is the promoted model itself; name another to compare it with")
        return
    for name, figures in (
        (compared.candidate, compared.candidate_figures),
        (compared.incumbent, compared.incumbent_figures),
    ):
        if name:
            shown = describe_figures(figures) or "not measured"
            terminal.print_line(f"  {name} {shown}")
    if found := compared.difference:
        terminal.print_line(
            f"  difference {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}); "
            f"{found.only_first} answers only the first judges as people do, {found.only_second} "
            f"only the second (p {found.p:.3f})"
        )
    terminal.print_line(f"  so it is {RESULTS[compared.result]}")


RESULTS = {
    "first": "the first: no other model is promoted",
    "better": "better",
    "worse": "worse",
    "undecided": "undecided which is better",
}

COMMANDS = (classifier,)
