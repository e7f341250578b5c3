"""The command that turns an export into a first catalog: init.

What is guessed and suggested is decided in `evals.onboarding`.
"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evals.readable import list_counts
from orchestration.cli.options import DONE, USAGE, fail
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.onboarding.first_catalog import FirstApplication, InspectedExport
    from evals.onboarding.found_labels import LabelledDimension

NOTHING_READ = 1
"""Exit code where no row of the exports would become a trace."""


@click.command()
@click.argument(
    "paths",
    metavar="PATHS...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--catalog",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("catalog"),
    show_default=True,
    help="The folder to write.",
)
@click.option("--app", help="The application of rows that name none; default: the file's name.")
def init(paths: tuple[Path, ...], catalog: Path, app: str | None) -> None:
    """Looks at exports and writes a first catalog: mapping, applications, checks, guardrails.

    Shows each file's columns with an example, and how many of its answers pass each suggested
    check. A folder means the files in it. Nothing is overwritten, and no model is asked. Exit
    codes: 0 written, 1 no row would become a trace, 2 usage.

    \b
    Examples:
      andon init export.csv
      andon init langfuse/ --catalog quality/
      andon init monday.csv tuesday.csv --app support-bot
    """
    from evals.onboarding import first_catalog

    files = list_files(paths)
    exports = [first_catalog.inspect_export(path, app) for path in files]
    terminal.print_lines(describe_exports(exports))
    applications = first_catalog.plan_applications(exports)
    if not applications:
        terminal.print_error("No row would become a trace, so no catalog was written.")
        sys.exit(NOTHING_READ)
    try:
        written = first_catalog.write_catalog(catalog, exports, applications)
    except FileExistsError as error:
        fail(USAGE, str(error))
    for application in applications:
        terminal.print_lines(describe_application(application))
    terminal.print_line(f"wrote {', '.join(str(path) for path in written)}")
    terminal.print_line("next:")
    commands = list_next_commands(paths, exports, catalog)
    terminal.print_lines(f"  {command}" for command in commands)
    sys.exit(DONE)


def list_files(paths: Sequence[Path]) -> list[Path]:
    """Lists the files that are named, and those in folders that are."""
    from evals.ingest.inbox import list_inbox

    files = list(dict.fromkeys(file for path in paths for file in list_inbox(path)))
    if not files:
        fail(USAGE, f"no file in {', '.join(map(str, paths))}: put an export there")
    return files


def describe_exports(exports: Sequence[InspectedExport]) -> Iterator[str]:
    """The exports in lines, then the rows of all that would be refused, by reason."""
    from evals.onboarding import first_catalog

    for export in exports:
        yield from describe_export(export)
    for code, count, first in first_catalog.count_refusals(exports):
        line = f":{first.source_line}" if first.source_line else ""
        yield f"  refused: {count:,} {code}, first {first.source_file}{line}"
        yield f"    {first.reason}"


def list_next_commands(
    paths: Sequence[Path], exports: Sequence[InspectedExport], catalog: Path
) -> Iterator[str]:
    """Lists the commands that make a board of the exports; the nightly run is the last."""
    where = f"--catalog {shlex.quote(str(catalog))}{build_home_option()}"
    if len(paths) == 1 and not any(export.assumed_date for export in exports):
        yield f"andon nightly {where} --inbox {shlex.quote(str(paths[0]))}"
        return
    if len(exports) == 1:
        yield f"andon nightly {where} --inbox {describe_input(exports[0])}"
        return
    for export in exports:
        yield f"andon import {where} {describe_input(export)}"
    yield f"andon nightly {where}"


def build_home_option() -> str:
    """Returns the option for another home if the default home has the demo's data."""
    from evals.storage.documents.home_contents import read_contents
    from evals.storage.lake import Lake
    from orchestration.settings import read_settings

    return " --home data" if read_contents(Lake(read_settings().home)) == "demo" else ""


def describe_input(export: InspectedExport) -> str:
    """Describes a file as an argument, with the night of its rows if they have no timestamp."""
    date = f" --assume-date {export.assumed_date}" if export.assumed_date else ""
    return f"{shlex.quote(str(export.path))}{date}"


def describe_export(export: InspectedExport) -> Iterator[str]:
    """Describes an export in lines: its format, columns with examples, and the guessed mapping."""
    from evals.onboarding.columns import show_example
    from orchestration.cli.row_notes import count_of

    form = export.format or "no known format"
    encoding = f", {export.encoding}" if export.encoding else ""
    yield f"{export.path}: {form}{encoding}, {count_of(len(export.traces), 'trace')} looked at"
    if export.labels:
        yield f"  {count_of(len(export.labels), 'label')}"
    if not any((export.columns, export.traces, export.refused, export.skipped, export.labels)):
        yield "  it has no rows"
        return
    if export.data_in_header:
        yield (
            f"  its first row has {export.data_in_header!r}, which is no name of a column: "
            "write a first row of names, such as id,created,prompt,completion"
        )
        return
    if export.skipped:
        counts = Counter(row.kind for row in export.skipped)
        yield f"  skipped, as they are no answers to judge: {list_counts(counts)}"
    fields = {guess.path: guess for guess in export.guesses}
    width = max((len(column.path) for column in export.columns), default=0)
    for column in export.columns:
        guess = fields.get(column.path)
        target = f"→ {guess.field}" if guess else ""
        share = f"{column.share_filled:4.0%}"
        yield f"  {column.path:<{width}}  {share}  {target:<16}  {show_example(column)}"
    for guess in export.guesses:
        if guess.reason != "name":
            yield f"  {guess.path!r} is taken for `{guess.field}` by its {guess.reason}: check it"
        if guess.other_formats:
            others = ", ".join(guess.other_formats)
            yield f"  {guess.path!r} is read as {guess.format}; it could also be {others}: check it"
    yield from describe_assumptions(export)


def describe_assumptions(export: InspectedExport) -> Iterator[str]:
    """Describes in lines what is assumed of an export, and how to declare it otherwise."""
    if export.group_by:
        yield (
            f"  several rows share {export.group_by!r}: each row is a span, and the rows of one "
            "value become one trace (`group_by`): check it"
        )
    if export.makes_ids:
        yield (
            "  no column is taken for `trace_id`: one is made of each row's content "
            "(`row_id: content`), so equal rows are one request"
        )
    if export.has_local_times:
        yield (
            "  its times have no zone, so UTC is assumed; if they are local, declare the zone in "
            "the mapping, such as `zone: Europe/Berlin`"
        )
    if export.decimal:
        yield "  its numbers have decimal commas (`decimal: ','`)"
    for target, constant in export.constants.items():
        yield f"  no column is taken for `{target}`: every row gets {constant!r}"
    if export.lacks_answers:
        yield "  no column is taken for `output`, the answers; name one in a mapping"
    elif export.assumed_date:
        yield (
            "  no column is taken for `ts`: its rows are laid on the night of "
            f"{export.assumed_date}, the day the file was written"
        )


def describe_application(application: FirstApplication) -> Iterator[str]:
    """Describes an application in lines: each check with its pass rate on the exports."""
    from orchestration.cli.row_notes import count_of

    yield f"{application.name}: {count_of(application.traces, 'trace')}"
    for suggestion in application.suggestions:
        rate = suggestion.rate
        share = f"{rate.passed / rate.decided:6.1%}" if rate.decided else "  none"
        kind = "guardrail" if suggestion.is_guardrail else "assertion"
        undecided = f", {rate.undecided:,} undecided" if rate.undecided else ""
        counts = f"{rate.passed:,} of {rate.decided:,} pass{undecided}"
        why = f"; such as {suggestion.failure}" if suggestion.failure else ""
        yield f"  {share}  {suggestion.name:<18} {kind}  {counts}{why}"
    for one in application.labelled:
        yield f"  labels  {describe_labelled(one)}"


def describe_labelled(one: LabelledDimension) -> str:
    """Describes what the exports have labels about, and what becomes of them."""
    others = f"{one.others:,} of judges or rules"
    if not one.people:
        return f"{one.name}: {others}; `recorded: true` on a dimension of this name would show them"
    words = f"{one.name}: {one.people:,} of people ({list_counts(one.words)})"
    words += f" and {others}" if one.others else ""
    if one.is_usable:
        good = next(iter(one.map))
        return f"{words}; dimension `{one.dimension}`, with {good!r} taken for pass: check it"
    return f"{words}; a dimension with a `map` of these words would use them"


COMMANDS = (init,)
