"""`andon case`: production failures as a regression set in the catalog.

What a case is and how it is run is in `evals.cases`; `andon gate` runs the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

import click

from orchestration.cli.analysis import choose_app, find_stored
from orchestration.cli.lookups import open_existing
from orchestration.cli.options import USAGE, fail, json_option, settings_options
from orchestration.cli.row_notes import count_of
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.records import Verdict
    from evals.specs import Catalog
    from evals.specs.cases import Case

app_option = click.option("--app", help="The application [the only one].")


@click.group()
def case() -> None:
    """Keeps production failures as regression cases, which `andon gate` runs.

    They are a file of the catalog, `cases/APP.jsonl`: commit it, and its versions are yours.
    """


@case.command("add")
@settings_options
@click.argument("trace_id", metavar="TRACE")
@click.option("--by", required=True, metavar="NAME", help="Who adds it.")
@click.option("--dimension", help="What it failed [what people failed, else an evaluator].")
@click.option("--verdict", type=click.Choice(["pass", "fail"]), help="Its verdict [people's].")
@click.option("--note", default="", help="Why [people's critique].")
@json_option
def case_add(
    settings: Settings,
    trace_id: str,
    by: str,
    dimension: str | None,
    verdict: Verdict | None,
    note: str,
    as_json: bool,
) -> None:
    """Adds a trace of production, redacted, with its verdict and where it came from.

    Evaluators must go on to give it this verdict, and the answers of candidates must pass. Added
    again, it takes the place of the case there is.

    \b
    Examples:
      andon case add t-81 --by Ann
      andon case add t-81 --by Ann --dimension price --verdict fail --note "the old price"
    """
    from evals.cases.adding import CaseError, CaseRequest, add_case

    lake, catalog = open_existing(settings), settings.load_catalog()
    found = find_stored(lake, catalog, trace_id)
    request = CaseRequest(by=by, dimension=dimension, verdict=verdict, why=note)
    references = settings.load_references(lake, catalog)
    place = (lake, catalog, references, found.trace, found.night)
    try:
        added = add_case(*place, request, datetime.now(UTC))
    except CaseError as error:
        fail(USAGE, str(error))
    if as_json:
        terminal.print_json(describe_json(added.case) | {"new": added.is_new})
        return
    done = "added" if added.is_new else "replaced"
    terminal.print_line(f"{done} {describe(added.case)}; commit cases/{added.case.app}.jsonl")


def describe(one: Case) -> str:
    """Describes a case in a line."""
    why = f": {one.why}" if one.why else ""
    version = f", prompt {one.origin.prompt_version}" if one.origin.prompt_version else ""
    about = f"{one.origin.trace_id} of {one.origin.night}{version}"
    return f"{one.id} {one.dimension} {one.verdict} ({about}){why}"


def describe_json(one: Case) -> dict[str, object]:
    """Returns a case as JSON."""
    from evals.specs.cases import encode_case

    return encode_case(one)


@case.command("list")
@settings_options
@app_option
@json_option
def case_list(settings: Settings, app: str | None, as_json: bool) -> None:
    """Lists the regression cases of an application, or of all.

    \b
    Examples:
      andon case list
      andon case list --app extraction --json
    """
    from evals.specs.cases import hash_cases

    sets = dict(load_sets(settings.load_catalog(), app))
    if as_json:
        shown = [
            {"app": name, "version": hash_cases(own), "cases": list(map(describe_json, own))}
            for name, own in sets.items()
        ]
        terminal.print_json(shown)
        return
    for name, own in sets.items():
        terminal.print_line(f"{name}: {count_of(len(own), 'case')}, version {hash_cases(own)}")
        terminal.print_lines(f"  {describe(one)}" for one in own)
    if not sets:
        terminal.print_line("no cases yet: `andon case add TRACE --by NAME` adds one")


def load_sets(catalog: Catalog, app: str | None) -> Iterator[tuple[str, list[Case]]]:
    """Yields the regression set of each application that has one."""
    from evals.specs.cases import CASES, list_case_files, load_cases

    for path in list_case_files(catalog.root):
        if path.parent.name == CASES and app in (None, path.stem):
            yield path.stem, load_cases(path)


@case.command("remove")
@settings_options
@click.argument("names", nargs=-1, required=True, metavar="CASE...")
@app_option
@json_option
def case_remove(settings: Settings, names: tuple[str, ...], app: str | None, as_json: bool) -> None:
    """Removes cases by their ids, or all cases of a trace by its id.

    \b
    Example:
      andon case remove c-184abd52d4a7 --app extraction
    """
    from evals.cases.adding import CaseError, remove_cases

    lake, catalog = settings.open_lake(), settings.load_catalog()
    name = choose_app(settings, lake, catalog, app)
    try:
        removed = remove_cases(lake, catalog, name, names)
    except CaseError as error:
        fail(USAGE, str(error))
    if as_json:
        terminal.print_json([describe_json(one) for one in removed])
        return
    terminal.print_lines(f"removed {describe(one)}" for one in removed)


@case.command("export")
@settings_options
@app_option
@click.option(
    "-o", "--out", type=click.File("w", encoding="utf-8"), default="-", help="The file to write."
)
def case_export(settings: Settings, app: str | None, out: IO[str]) -> None:
    """Writes the inputs of the cases as JSONL, for a candidate to answer.

    Run your application on each row, add `output` to it, and judge the file with
    `andon gate --app APP --cases FILE`.

    \b
    Example:
      andon case export --app extraction -o inputs.jsonl
    """
    from evals.cases.judging import load_set
    from evals.cases.showing import describe_input

    catalog = settings.load_catalog()
    name = app or catalog.only_app
    if name is None:
        fail(USAGE, "name the application with --app")
    cases = load_set(catalog, name)
    if not cases:
        fail(USAGE, f"{name} has no regression cases; `andon case add` adds them")
    for one in {one.origin.trace_id: one for one in cases}.values():
        out.write(terminal.to_json(describe_input(one)) + "\n")


COMMANDS = (case,)
