"""`andon analysis`: reading traces with open notes; its commands on failure modes are in `modes`.

What is chosen, grouped and counted is `evals.error_analysis`'.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from orchestration.cli.lookups import check_app, open_existing
from orchestration.cli.options import (
    INFRASTRUCTURE,
    USAGE,
    NightRange,
    fail,
    json_option,
    night_options,
    settings_options,
)
from orchestration.runtime import terminal
from orchestration.settings import Settings

if TYPE_CHECKING:
    from evals.error_analysis.notes import StoredTrace
    from evals.error_analysis.progress import Matrix, Progress
    from evals.records import Trace, Verdict
    from evals.specs import Catalog
    from evals.storage.documents.open_notes import OpenNote
    from evals.storage.documents.reading_lists import ReadingList
    from evals.storage.lake import Lake

SHOWN = 2_000
"""Characters of a place that the terminal shows; the review page has them whole."""

app_option = click.option("--app", help="The application [the only one].")
by_option = click.option("--by", required=True, metavar="NAME", help="Who does it.")


@click.group(invoke_without_command=True)
@settings_options
@json_option
@click.pass_context
def analysis(ctx: click.Context, settings: Settings, as_json: bool) -> None:
    """Error analysis: read traces with open notes, group the notes, decide about each group.

    Without a command it shows how far each application's analysis is, and which is due.

    \b
    Examples:
      andon analysis
      andon analysis start --app chat --by Ann
      andon analysis group --app chat --by Ann
    """
    if ctx.invoked_subcommand is None:
        show_all(settings, as_json=as_json)


def show_all(settings: Settings, *, as_json: bool) -> None:
    """Prints how far each application's analysis is."""
    from evals.error_analysis.due import find_due_analyses
    from evals.storage.documents.open_notes import list_noted_apps
    from evals.storage.documents.reading_lists import list_read_apps

    lake, catalog = open_existing(settings), settings.load_catalog()
    due = {one.app: one for one in find_due_analyses(lake, catalog, datetime.now(UTC))}
    apps = sorted({*catalog.apps, *list_noted_apps(lake), *list_read_apps(lake), *due})
    rows = {app: measure(lake, app) for app in apps}
    if as_json:
        reasons = {app: one.reason for app, one in due.items()}
        shown = [to_json(app, row, reasons.get(app)) for app, row in rows.items()]
        terminal.print_json({"apps": shown})
        return
    for app, row in rows.items():
        terminal.print_line(f"{app}: {describe_progress(row)}")
        if app in due:
            terminal.print_line(f"  {due[app].reason}; `{due[app].command}`")


def to_json(app: str, progress: Progress, due: str | None) -> dict[str, object]:
    """Returns an application's progress as JSON."""
    flags = {"saturated": progress.is_saturated, "enough": progress.is_enough, "due": due}
    return {"app": app, **progress._asdict(), **flags}


def describe_progress(progress: Progress) -> str:
    """Describes how far an analysis is in a sentence."""
    if not progress.listed and not progress.noted:
        return "no traces read yet"
    counts = f"{progress.read} of {progress.listed} traces read, {progress.failed} broke"
    modes = "1 failure mode" if progress.modes == 1 else f"{progress.modes} failure modes"
    return f"{counts}; {modes}; {progress.describe_stop()}"


def measure(lake: Lake, app: str) -> Progress:
    """Measures how far an application's analysis is."""
    from evals.error_analysis.progress import measure_progress
    from evals.storage.documents.failure_modes import read_taxonomy
    from evals.storage.documents.open_notes import read_notes
    from evals.storage.documents.reading_lists import read_reading_list

    reading = read_reading_list(lake, app)
    return measure_progress(reading, read_notes(lake, app), read_taxonomy(lake, app))


@analysis.command("start")
@settings_options
@night_options
@app_option
@by_option
@click.option("--count", type=click.IntRange(1, 500), help="How many traces [the catalog's].")
@json_option
def analysis_start(
    settings: Settings,
    nights: NightRange,
    app: str | None,
    by: str,
    count: int | None,
    as_json: bool,
) -> None:
    """Lists traces to read: half at random, half of as many topics as there are.

    Traces that somebody has written a note about are left out. The newest 28 nights, unless
    `--from`, `--to` or `--date` say otherwise.

    \b
    Examples:
      andon analysis start --app chat --by Ann
      andon analysis start --app chat --by Ann --count 30 --from 2026-10-01
    """
    from evals.error_analysis.reading import NIGHTS, make_reading_list
    from evals.storage.documents.open_notes import read_notes
    from evals.storage.documents.reading_lists import add_reading_list

    lake, catalog = open_existing(settings), settings.load_catalog()
    name = choose_app(settings, lake, catalog, app)
    chosen = nights.select(lake.list_nights("traces"))[-NIGHTS:]
    size = count or catalog.app(name).error_analysis.traces
    read = {note.trace_id for note in read_notes(lake, name)}
    reading = make_reading_list(lake, name, size, chosen, read, by, datetime.now(UTC))
    if not reading.traces:
        fail(INFRASTRUCTURE, f"no unread traces of {name} in these nights: run `andon nightly`")
    add_reading_list(lake, reading)
    print_list(reading, as_json=as_json)


def print_list(reading: ReadingList, *, as_json: bool) -> None:
    """Prints a reading list."""
    if as_json:
        terminal.print_json(reading._asdict() | {"traces": [t._asdict() for t in reading.traces]})
        return
    terminal.print_lines(f"{one.trace_id}  {one.night}  {one.reason}" for one in reading.traces)
    terminal.print_line(
        f"{len(reading.traces)} traces to read: `andon analysis next --app {reading.app}` shows "
        "one after another here, `andon review` in a browser"
    )


def choose_app(settings: Settings, lake: Lake, catalog: Catalog, app: str | None) -> str:
    """Returns the application that is named, or the only one."""
    if app is None:
        only = catalog.only_app
        if only is None:
            names = ", ".join(sorted({*catalog.apps, *catalog.broken}))
            fail(USAGE, f"name the application with --app: {names or 'the catalog declares none'}")
        return only
    check_app(settings, lake, app)
    return app


@analysis.command("next")
@settings_options
@app_option
@json_option
def analysis_next(settings: Settings, app: str | None, as_json: bool) -> None:
    """Shows the next trace of the list that nobody has read, with the places of its steps.

    \b
    Examples:
      andon analysis next --app chat
      andon analysis next --app chat --json
    """
    from evals.error_analysis.notes import list_unread, read_trace

    lake, catalog = open_existing(settings), settings.load_catalog()
    name = choose_app(settings, lake, catalog, app)
    for one in (unread := list_unread(lake, name)):
        if trace := read_trace(lake, one.night, one.trace_id):
            print_trace(trace, one.night, one.reason, len(unread), as_json=as_json)
            return
    progress = measure(lake, name)
    if not progress.listed:
        fail(USAGE, f"nothing to read yet: `andon analysis start --app {name} --by NAME`")
    if as_json:
        terminal.print_json({"trace_id": None, "left": 0})
        return
    terminal.print_line(f"every trace of the list is read; {progress.describe_stop()}")
    if progress.ungrouped:
        terminal.print_line(f"next: `andon analysis group --app {name} --by NAME`")


def print_trace(trace: Trace, night: date, reason: str, left: int, *, as_json: bool) -> None:
    """Prints a trace place by place."""
    from evals.error_analysis.places import list_places

    places = list_places(trace)
    if as_json:
        shown = [place._asdict() for place in places]
        row = {"trace_id": trace.trace_id, "night": night, "reason": reason, "left": left}
        terminal.print_json({**row, "places": shown})
        return
    terminal.print_line(f"{trace.trace_id} of {night} ({reason}); {left} left to read")
    for place in places:
        terminal.print_line(f"  {place.key} · {place.state}")
        text = place.text if len(place.text) <= SHOWN else f"{place.text[:SHOWN]}…"
        terminal.print_lines(f"    {line}" for line in text.splitlines())
    about = f"andon analysis note {trace.trace_id} --by NAME"
    terminal.print_line(f'what broke first? `{about} --fail "…" --at PLACE`, or `{about} --pass`')


@analysis.command("note")
@settings_options
@click.argument("trace_id", metavar="TRACE")
@by_option
@click.option("--fail", "text", metavar="TEXT", help="What broke first, in your words.")
@click.option("--at", "place", default="", metavar="PLACE", help="Where: `step:3`, `answer`.")
@click.option("--pass", "passed", is_flag=True, help="Nothing broke.")
@click.option("--withdraw", is_flag=True, help="Take your note back.")
@json_option
def analysis_note(
    settings: Settings,
    trace_id: str,
    by: str,
    text: str | None,
    place: str,
    passed: bool,
    withdraw: bool,
    as_json: bool,
) -> None:
    """Writes your note about a trace: what broke first and where, or that nothing did.

    A second note of yours about a trace takes the place of the first; both are kept.

    \b
    Examples:
      andon analysis note t-81 --by Ann --fail "searched in the wrong shop" --at step:2
      andon analysis note t-82 --by Ann --pass
      andon analysis note t-82 --by Ann --withdraw
    """
    if sum((text is not None, passed, withdraw)) != 1:
        fail(USAGE, 'give one of --fail "what broke first", --pass and --withdraw')
    lake, catalog = open_existing(settings), settings.load_catalog()
    found = find_stored(lake, catalog, trace_id)
    verdict: Verdict = "fail" if text is not None else "pass"
    if withdraw:
        note = take_back(lake, found, by)
    else:
        note = store_note(lake, catalog, found, by, verdict, text or "", place)
    if as_json:
        terminal.print_json(note._asdict())
        return
    done = "withdrawn" if withdraw else describe_note(note)
    terminal.print_line(f"{note.trace_id}: {done}; {describe_progress(measure(lake, note.app))}")


def find_stored(lake: Lake, catalog: Catalog, trace_id: str) -> StoredTrace:
    """Finds a trace; ends the command where there is none."""
    from evals.error_analysis.notes import find_trace

    found = find_trace(lake, catalog, trace_id)
    if found is None:
        fail(USAGE, f"no stored trace {trace_id!r}; `andon analysis next` shows one")
    return found


def store_note(
    lake: Lake,
    catalog: Catalog,
    found: StoredTrace,
    by: str,
    verdict: Verdict,
    text: str,
    place: str,
) -> OpenNote:
    """Writes a note; ends the command where it cannot be written."""
    from evals.error_analysis.notes import DraftNote, NoteError, write_note
    from evals.error_analysis.places import UnknownPlaceError

    draft = DraftNote(verdict=verdict, author=by, text=text, place=place)
    try:
        return write_note(lake, catalog, found, draft, datetime.now(UTC))
    except (NoteError, UnknownPlaceError) as error:
        fail(USAGE, str(error))


def take_back(lake: Lake, found: StoredTrace, by: str) -> OpenNote:
    """Withdraws a note; ends the command where there is none."""
    from evals.error_analysis.notes import find_note, withdraw_note

    note = find_note(lake, found.trace.app, found.trace.trace_id, by)
    if note is None:
        fail(USAGE, f"{by} has written no note about {found.trace.trace_id}")
    return withdraw_note(lake, note, datetime.now(UTC))


def describe_note(note: OpenNote) -> str:
    """Describes a note in a line."""
    if note.verdict == "pass":
        return "nothing broke"
    where = f" at {note.place} ({note.failing_state})" if note.place else ""
    return f"{note.text}{where}"


@analysis.command("notes")
@settings_options
@app_option
@json_option
def analysis_notes(settings: Settings, app: str | None, as_json: bool) -> None:
    """Lists the notes of an application, and where traces broke: last good by first failing state.

    \b
    Examples:
      andon analysis notes --app chat
      andon analysis notes --app chat --json
    """
    from evals.error_analysis.progress import count_transitions
    from evals.storage.documents.failure_modes import read_taxonomy
    from evals.storage.documents.open_notes import read_notes

    lake, catalog = open_existing(settings), settings.load_catalog()
    name = choose_app(settings, lake, catalog, app)
    notes, taxonomy = read_notes(lake, name), read_taxonomy(lake, name)
    matrix = count_transitions(notes)
    if as_json:
        shown = [note._asdict() for note in notes]
        transitions = [one._asdict() for one in matrix.list_transitions()]
        terminal.print_json({"notes": shown, "transitions": transitions})
        return
    for note in notes:
        mode = taxonomy.find_mode_of(note.key)
        label = f" [{mode.name}]" if mode else ""
        who = f"{note.key}  {note.trace_id}  {note.author}"
        terminal.print_line(f"{who}: {describe_note(note)}{label}")
    print_matrix(matrix)
    if not notes:
        terminal.print_line(f"no notes yet: `andon analysis next --app {name}`")


def print_matrix(matrix: Matrix) -> None:
    """Prints where traces broke, the most frequent transition first."""
    transitions = matrix.list_transitions()
    if transitions:
        terminal.print_line("last good state → first failing state:")
    terminal.print_lines(
        f"  {one.n:>3}  {one.last_good} → {one.first_failing}" for one in transitions
    )
    if matrix.not_marked:
        terminal.print_line(f"  {matrix.not_marked:>3}  no place marked")


COMMANDS = (analysis,)
