"""The commands of `andon analysis` about failure modes, and `andon scaffold`.

Reading and notes are in `analysis`; what changes a mode, in `evals.error_analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli.analysis import analysis, app_option, by_option, choose_app, describe_note
from orchestration.cli.lookups import open_existing
from orchestration.cli.options import USAGE, fail, json_option, settings_options
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.error_analysis.scaffold import Kind, Scaffold
    from evals.storage.documents.failure_modes import Action, FailureMode, Taxonomy
    from evals.storage.lake import Lake

ACTIONS = ("prompt", "guard", "assertion", "judge", "ignore")
DRAFTED = ("assertion", "guard", "judge")


@analysis.command("group")
@settings_options
@app_option
@by_option
@click.option("--by-words", is_flag=True, help="Ask no model, whatever the catalog names.")
@json_option
def group_notes(
    settings: Settings, app: str | None, by: str, by_words: bool, as_json: bool
) -> None:
    """Groups the notes that have no failure mode yet, by their words: 5 to 10 modes to edit.

    Asks no model, unless `error_analysis: {model: PIN}` of the application names one: then that
    groups the notes in one call, which `andon plan` prices. What a person has named, merged, split
    or moved stays; new notes join the mode of similar ones.

    \b
    Example:
      andon analysis group --app chat --by Ann
    """
    from evals.error_analysis import model_grouping, modes
    from evals.storage.documents.open_notes import read_notes
    from orchestration.cli.scoring import open_scoring_run

    lake, catalog = open_existing(settings), settings.load_catalog()

    def change(taxonomy: Taxonomy) -> Taxonomy:
        notes, today = read_notes(lake, taxonomy.app), datetime.now(UTC).date()
        model = model_grouping.open_text_model(lake, catalog, taxonomy.app, today)
        if model is None or by_words:
            return modes.group_notes(taxonomy, notes)
        with open_scoring_run(settings, lake, catalog, "analysis") as run:
            return model_grouping.ask_grouping(model, run, taxonomy, notes)

    change_modes(settings, app, by, change, as_json=as_json)


def change_modes(
    settings: Settings,
    app: str | None,
    by: str,
    change: Callable[[Taxonomy], Taxonomy],
    *,
    as_json: bool,
) -> None:
    """Changes the failure modes of an application and prints those that are new or changed."""
    from evals.error_analysis.modes import ModeError
    from evals.storage.documents.failure_modes import change_taxonomy, read_taxonomy

    lake, catalog = open_existing(settings), settings.load_catalog()
    name = choose_app(settings, lake, catalog, app)
    before = read_taxonomy(lake, name).modes
    try:
        taxonomy = change_taxonomy(lake, name, change, by, datetime.now(UTC))
    except ModeError as error:
        fail(USAGE, str(error))
    print_modes(lake, taxonomy, before, as_json=as_json)
    if not as_json:
        terminal.print_line(suggest_next(taxonomy))


def suggest_next(taxonomy: Taxonomy) -> str:
    """Suggests what to do next about the failure modes of an application."""
    about = f"--app {taxonomy.app}"
    mode = next((one for one in taxonomy.modes if one.decision is None), None)
    if mode is None:
        return f"every mode has a decision; `andon scaffold MODE {about}` drafts its evaluator"
    actions = "|".join(ACTIONS)
    return f"next: `andon analysis decide {mode.name} {actions} {about} --by NAME`"


@analysis.command("modes")
@settings_options
@app_option
@json_option
def list_modes(settings: Settings, app: str | None, as_json: bool) -> None:
    """Lists the failure modes of an application with their notes and what was decided.

    \b
    Examples:
      andon analysis modes --app chat
      andon analysis modes --app chat --json
    """
    from evals.storage.documents.failure_modes import read_taxonomy

    lake, catalog = open_existing(settings), settings.load_catalog()
    name = choose_app(settings, lake, catalog, app)
    print_modes(lake, read_taxonomy(lake, name), as_json=as_json)


def print_modes(
    lake: Lake, taxonomy: Taxonomy, before: Sequence[FailureMode] = (), *, as_json: bool
) -> None:
    """Prints failure modes, each with its notes; those that are as they were before are left out.

    As JSON all of them are printed.
    """
    from evals.storage.documents.failure_modes import encode_taxonomy
    from evals.storage.documents.open_notes import read_notes

    if as_json:
        terminal.print_json(encode_taxonomy(taxonomy))
        return
    notes = {note.key: note for note in read_notes(lake, taxonomy.app)}
    for mode in (one for one in taxonomy.modes if one not in before):
        terminal.print_line(describe_mode(mode))
        for key in mode.notes:
            shown = describe_note(notes[key]) if key in notes else "withdrawn"
            terminal.print_line(f"    {key}  {shown}")
    if not taxonomy.modes:
        terminal.print_line("no failure modes yet: `andon analysis group` makes them of notes")


def describe_mode(mode: FailureMode) -> str:
    """Describes a mode in a line."""
    count = "1 note" if len(mode.notes) == 1 else f"{len(mode.notes)} notes"
    decision = mode.decision
    decided = f"; {decision.action}, decided by {decision.by}" if decision else "; not decided"
    described = f": {mode.description}" if mode.description else ""
    return f"{mode.id} {mode.name}{described} ({count}{decided})"


@analysis.command("rename")
@settings_options
@click.argument("mode")
@click.argument("name", required=False)
@click.option("--description", default="", help="What it is, in a sentence.")
@app_option
@by_option
@json_option
def rename_mode(
    settings: Settings,
    mode: str,
    name: str | None,
    description: str,
    app: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Renames a failure mode, or describes it; its name is a tag of the review page.

    \b
    Example:
      andon analysis rename m1 wrong-date --description "The date is not ISO" --app chat --by Ann
    """
    from evals.error_analysis.modes import get_mode
    from evals.error_analysis.modes import rename_mode as rename

    if not name and not description:
        fail(USAGE, "give a new NAME, a --description, or both")

    def change(taxonomy: Taxonomy) -> Taxonomy:
        return rename(taxonomy, mode, name or get_mode(taxonomy, mode).name, description)

    change_modes(settings, app, by, change, as_json=as_json)


@analysis.command("merge")
@settings_options
@click.argument("modes", nargs=-1, required=True)
@click.option("--into", required=True, metavar="MODE", help="The mode that remains.")
@app_option
@by_option
@json_option
def merge_modes(
    settings: Settings, modes: tuple[str, ...], into: str, app: str | None, by: str, as_json: bool
) -> None:
    """Merges failure modes into one.

    \b
    Example:
      andon analysis merge m3 m4 --into wrong-date --app chat --by Ann
    """
    from evals.error_analysis.modes import merge_modes as merge

    change_modes(settings, app, by, lambda one: merge(one, modes, into), as_json=as_json)


@analysis.command("split")
@settings_options
@click.argument("mode")
@click.argument("notes", nargs=-1, required=True)
@click.option("--name", required=True, help="Of the new mode.")
@app_option
@by_option
@json_option
def split_mode(
    settings: Settings,
    mode: str,
    notes: tuple[str, ...],
    name: str,
    app: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Splits some notes of a failure mode off as a new one.

    \b
    Example:
      andon analysis split m1 4f0c2a1b9d3e5f60 --name wrong-time-zone --app chat --by Ann
    """
    from evals.error_analysis.modes import split_mode as split

    change_modes(settings, app, by, lambda one: split(one, mode, notes, name), as_json=as_json)


@analysis.command("move")
@settings_options
@click.argument("notes", nargs=-1, required=True)
@click.option("--into", required=True, metavar="MODE", help="Where they belong.")
@app_option
@by_option
@json_option
def move_notes(
    settings: Settings, notes: tuple[str, ...], into: str, app: str | None, by: str, as_json: bool
) -> None:
    """Moves notes into a failure mode.

    \b
    Example:
      andon analysis move 4f0c2a1b9d3e5f60 --into wrong-date --app chat --by Ann
    """
    from evals.error_analysis.modes import ModeError
    from evals.error_analysis.modes import move_notes as move
    from evals.storage.documents.open_notes import read_notes

    def change(taxonomy: Taxonomy) -> Taxonomy:
        known = {note.key for note in read_notes(open_existing(settings), taxonomy.app)}
        if unknown := [key for key in notes if key not in known]:
            raise ModeError(f"no note {unknown[0]!r}; `andon analysis notes` lists them")
        return move(taxonomy, notes, into)

    change_modes(settings, app, by, change, as_json=as_json)


@analysis.command("decide")
@settings_options
@click.argument("mode")
@click.argument("action", type=click.Choice(ACTIONS))
@click.option("--reason", default="", help="Why.")
@app_option
@by_option
@json_option
def decide_mode(
    settings: Settings,
    mode: str,
    action: Action,
    reason: str,
    app: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Stores what to do about a failure mode: fix the prompt, watch it, or ignore it.

    \b
    Examples:
      andon analysis decide wrong-date prompt --app chat --by Ann --reason "the prompt says nothing"
      andon analysis decide invents-refunds judge --app chat --by Ann
    """
    from evals.error_analysis.modes import decide_mode as decide

    def change(taxonomy: Taxonomy) -> Taxonomy:
        return decide(taxonomy, mode, action, by, datetime.now(UTC), reason)

    change_modes(settings, app, by, change, as_json=as_json)


@click.command()
@settings_options
@click.argument("mode")
@app_option
@click.option("--as", "kind", type=click.Choice(DRAFTED), help="Instead of what was decided.")
@click.option("--write", is_flag=True, help="Write it to the catalog instead of printing a patch.")
@json_option
def scaffold(
    settings: Settings,
    mode: str,
    app: str | None,
    kind: Kind | None,
    write: bool,
    as_json: bool,
) -> None:
    """Drafts the evaluator of a failure mode, with its labelled examples as its test.

    Prints a patch for `git apply`. A check by code is the one that separates the examples best.
    Existing files are not overwritten: `--write` adds new files, and a dimension to the suite.
    `andon evaluator test MODE` then runs the examples.

    \b
    Examples:
      andon scaffold wrong-date --app chat > draft.patch
      andon scaffold invents-refunds --app chat --as judge --write
    """
    drafted = draft_mode(settings, mode, app, kind)
    root = settings.catalog_root
    if write:
        from evals.storage.files import replace

        for one in drafted.files:
            one.path.parent.mkdir(parents=True, exist_ok=True)
            replace(one.path, one.after.encode("utf-8", "surrogatepass"))
    if as_json:
        terminal.print_json(describe_scaffold(drafted, settings, is_written=write))
        return
    if write:
        for one in drafted.files:
            done = "new" if one.is_new else "dimension added"
            terminal.print_line(f"{one.path.relative_to(root)}: {done}")
    else:
        from evals.error_analysis.scaffold import render_patch

        terminal.print_lines(render_patch(drafted, root).splitlines())
    terminal.print_line(f"{drafted.words}", err=not write)
    terminal.print_line(f"then: andon evaluator test {drafted.dimension}", err=not write)


def draft_mode(settings: Settings, name: str, app: str | None, kind: Kind | None) -> Scaffold:
    """Drafts the evaluator of a mode; ends the command where nothing can be drafted."""
    from evals.error_analysis.examples import collect_examples
    from evals.error_analysis.modes import ModeError, get_mode
    from evals.error_analysis.scaffold import KINDS, ScaffoldError, draft_evaluator
    from evals.storage.documents.failure_modes import read_taxonomy
    from evals.storage.documents.open_notes import read_notes

    lake, catalog = open_existing(settings), settings.load_catalog()
    own = choose_app(settings, lake, catalog, app)
    try:
        mode = get_mode(read_taxonomy(lake, own), name)
        decided = kind or (KINDS.get(mode.decision.action) if mode.decision else None)
        if decided is None:
            about = f"decided: {mode.decision.action}" if mode.decision else "nothing is decided"
            fail(USAGE, f"{mode.name}: {about}; name what to draft with --as assertion|guard|judge")
        now = datetime.now(UTC)
        examples = collect_examples(lake, catalog, mode, read_notes(lake, own), mode.name, now)
        return draft_evaluator(catalog, own, mode, decided, examples)
    except (ModeError, ScaffoldError) as error:
        fail(USAGE, str(error))


def describe_scaffold(
    drafted: Scaffold, settings: Settings, *, is_written: bool
) -> dict[str, object]:
    """Returns a draft as JSON."""
    from evals.error_analysis.scaffold import render_patch

    root = settings.catalog_root
    return {
        "dimension": drafted.dimension,
        "kind": drafted.kind,
        "files": [one.path.relative_to(root).as_posix() for one in drafted.files],
        "examples": {
            verdict: sum(case.verdict == verdict for case in drafted.examples)
            for verdict in ("fail", "pass")
        },
        "written": is_written,
        "words": drafted.words,
        "patch": render_patch(drafted, root),
    }


COMMANDS = (scaffold,)
