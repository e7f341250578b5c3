"""Reading with open notes: one trace after another, what broke first, and where.

What notes are grouped into is in `modes`; judging on a criterion in `questions`.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from evals.error_analysis.due import find_due_analyses
from evals.error_analysis.notes import (
    DraftNote,
    NoteError,
    StoredTrace,
    list_unread,
    read_trace,
    withdraw_note,
    write_note,
)
from evals.error_analysis.places import Place, UnknownPlaceError, list_places
from evals.error_analysis.progress import Progress, measure_progress
from evals.error_analysis.reading import NIGHTS, make_reading_list
from evals.records import Trace, digest
from evals.reports.pages.natural_form import render_natural_form
from evals.reports.phrases import capitalize_first, join_names
from evals.review_app.progress import describe_progress, estimate_pace
from evals.review_app.verdict_forms import read_seconds
from evals.review_app.visits import Refused, Visit, form, page, redirect, render
from evals.storage.documents.failure_modes import read_taxonomy
from evals.storage.documents.open_notes import OpenNote, list_noted_apps, read_notes
from evals.storage.documents.reading_lists import (
    ListedTrace,
    ReadingList,
    add_reading_list,
    list_read_apps,
    read_reading_list,
)
from evals.storage.documents.review_drafts import Draft, delete_draft, read_drafts, write_draft

LARGEST_CHOICE = 120
"""Characters of a place in the list to choose from."""
MOST_PLACES = 500
"""Places to choose from; the terminal takes any."""


class Analysed(NamedTuple):
    """An application on the page of error analyses."""

    app: str
    title: str
    progress: Progress
    due: str
    """Why an analysis is due; empty: it is not."""


class Reading(NamedTuple):
    """A trace that is read."""

    app: str
    number: int
    """Its number on the list, from 1."""
    listed: ListedTrace
    trace: Trace
    own: OpenNote | None
    """What the visitor wrote about it."""
    others: tuple[OpenNote, ...]

    @property
    def key(self) -> str:
        """Its key among the visitor's drafts."""
        return make_draft_key(self.app, self.listed.trace_id)


def show_analyses(visit: Visit) -> Response:
    """Shows how far each application's error analysis is, and which is due."""
    site, catalog = visit.site, visit.site.catalog
    lake = site.lake
    due = {one.app: one.reason for one in find_due_analyses(lake, catalog, site.now())}
    names = {*catalog.apps, *list_noted_apps(lake), *list_read_apps(lake), *due}
    rows = [
        Analysed(app, find_title(visit, app), measure(visit, app), due.get(app, ""))
        for app in sorted(names)
    ]
    return render(visit, "analyses.html", rows=rows, sentence=describe_analyses(rows))


def describe_analyses(rows: list[Analysed]) -> str:
    """Describes in a sentence which analyses are due."""
    due = [row.title for row in rows if row.due]
    if not rows:
        return "There is no application yet"
    if not due:
        return "No error analysis is due"
    return f"Error analysis is due for {join_names(due)}"


def find_title(visit: Visit, app: str) -> str:
    """Returns an application's title."""
    spec = visit.site.catalog.apps.get(app)
    return (spec and spec.title) or app


def measure(visit: Visit, app: str) -> Progress:
    """Measures how far an application's analysis is."""
    lake = visit.site.lake
    reading = read_reading_list(lake, app)
    return measure_progress(reading, read_notes(lake, app), read_taxonomy(lake, app))


def start_reading(visit: Visit) -> Response:
    """Lists traces to read, and opens the first."""
    site, app = visit.site, visit.field("app")
    if app not in site.catalog.apps:
        raise Refused(404, f"the catalog declares no application {app[:80]!r}")
    size = site.catalog.app(app).error_analysis.traces
    nights = site.lake.list_nights("traces")[-NIGHTS:]
    read = {note.trace_id for note in read_notes(site.lake, app)}
    by = visit.session.annotator
    reading = make_reading_list(site.lake, app, size, nights, read, by, site.now())
    if not reading.traces:
        raise Refused(409, f"no unread trace of {app} is stored: run `andon nightly` first")
    add_reading_list(site.lake, reading)
    return redirect(link_trace(app))


def link_trace(app: str, number: int | None = None, **more: str) -> str:
    """Returns the address of a trace of the list; without a number of the next unread one."""
    at = {} if number is None else {"at": str(number)}
    return f"/reading/trace?{urlencode({'app': app, **at, **more})}"


def check_app(visit: Visit, app: str) -> str:
    """Returns the name of an application that has an error analysis, or may get one.

    Raises:
        Refused: there is none.
    """
    lake = visit.site.lake
    if app not in {*visit.site.catalog.apps, *list_noted_apps(lake), *list_read_apps(lake)}:
        raise Refused(404, f"there is no application {app[:80]!r}; choose one of the page")
    return app


def link_modes(app: str) -> str:
    """Returns the address of an application's failure modes."""
    return f"/modes?{urlencode({'app': app})}"


def show_trace(visit: Visit) -> Response:
    """Shows a trace of the list, by default the next one that nobody has read."""
    app = check_app(visit, visit.query.get("app", ""))
    reading = read_reading_list(visit.site.lake, app)
    if reading is None:
        raise Refused(404, "there is no reading list; start an error analysis first")
    number = find_number(visit, reading)
    if number is None:
        return redirect(link_modes(app))
    return show_form(visit, read_listed(visit, reading, number))


def find_number(visit: Visit, reading: ReadingList) -> int | None:
    """Finds the number of the trace to show; None where all are read."""
    at = visit.query.get("at", "")
    if at:
        is_number = at.isascii() and at.isdecimal() and 0 < int(at[:9]) <= len(reading.traces)
        if not is_number:
            raise Refused(404, f"the list has traces 1 to {len(reading.traces)}")
        return int(at[:9])
    read = {note.trace_id for note in read_notes(visit.site.lake, reading.app)}
    unread = (n for n, one in enumerate(reading.traces, 1) if one.trace_id not in read)
    return next(unread, None)


def read_listed(visit: Visit, reading: ReadingList, number: int) -> Reading:
    """Reads a trace of the list with its notes.

    Raises:
        Refused: it was deleted.
    """
    listed = reading.traces[number - 1]
    trace = read_trace(visit.site.lake, listed.night, listed.trace_id)
    if trace is None:
        raise Refused(410, f"trace {number} was deleted; open another one of the list")
    about = [
        one for one in read_notes(visit.site.lake, reading.app) if one.trace_id == listed.trace_id
    ]
    annotator = visit.session.annotator
    own = next((one for one in about if one.author == annotator), None)
    others = tuple(one for one in about if one is not own)
    return Reading(reading.app, number, listed, trace, own, others)


def show_form(visit: Visit, reading: Reading, problem: str = "") -> HTMLResponse:
    """Shows a trace with the form for a note."""
    lake, annotator = visit.site.lake, visit.session.annotator
    progress = measure(visit, reading.app)
    notes = [one for one in read_notes(lake, reading.app) if one.author == annotator]
    pace = estimate_pace([one.seconds_spent for one in notes])
    return render(
        visit,
        "reading.html",
        status=422 if problem else 200,
        reading=reading,
        form=render_natural_form([reading.trace]),
        title=find_title(visit, reading.app),
        places=[shorten_place(one) for one in list_places(reading.trace)[:MOST_PLACES]],
        draft=find_draft(visit, reading),
        problem=problem,
        analysis=progress,
        progress=describe_progress(progress.read, progress.listed, pace, "read"),
        link=link_trace,
        modes_link=link_modes(reading.app),
        is_last=reading.number == progress.listed,
    )


def shorten_place(place: Place) -> Place:
    """Returns a place with one line of its text."""
    text = " ".join(place.text[: 4 * LARGEST_CHOICE].split())
    return place._replace(text=text[:LARGEST_CHOICE])


def find_draft(visit: Visit, reading: Reading) -> Draft | None:
    """Finds what the visitor wrote so far, or the note that they wrote before."""
    if not visit.session.may_write:
        return None
    draft = read_drafts(visit.site.lake, visit.session.annotator).get(reading.key)
    if draft is None and (own := reading.own):
        seconds = own.seconds_spent or 0.0
        return Draft(own.trace_id, own.text, (own.place,), seconds, own.time)
    return draft


def read_form(visit: Visit) -> Reading:
    """Reads which trace a form is about.

    Raises:
        Refused: no list has it.
    """
    app = check_app(visit, visit.field("app"))
    reading = read_reading_list(visit.site.lake, app)
    ids = [one.trace_id for one in reading.traces] if reading else []
    if reading is None or visit.field("trace") not in ids:
        raise Refused(409, "a new reading list was made; open its first trace")
    return read_listed(visit, reading, ids.index(visit.field("trace")) + 1)


def save_note(visit: Visit) -> Response:
    """Stores a note and leads to the next trace that nobody has read."""
    reading, site = read_form(visit), visit.site
    verdict = visit.field("verdict")
    if verdict not in ("pass", "fail"):
        return show_form(visit, reading, "Choose It broke or Nothing broke.")
    is_fail = verdict == "fail"
    draft = DraftNote(
        verdict="fail" if is_fail else "pass",
        author=visit.session.annotator,
        text=visit.read_note(),
        place=visit.field("place") if is_fail else "",
        seconds_spent=read_seconds(visit.field("seconds")),
    )
    found = StoredTrace(reading.trace, reading.listed.night)
    try:
        write_note(site.lake, site.catalog, found, draft, site.now())
    except (NoteError, UnknownPlaceError) as error:
        return show_form(visit, reading, f"{capitalize_first(str(error))}.")
    delete_draft(site.lake, visit.session.annotator, reading.key)
    is_left = bool(list_unread(site.lake, reading.app))
    return redirect(link_trace(reading.app) if is_left else link_modes(reading.app))


def save_draft(visit: Visit) -> Response:
    """Keeps an unfinished note, which the script sends while somebody writes."""
    lake, annotator = visit.site.lake, visit.session.annotator
    key = make_draft_key(visit.field("app"), visit.field("trace"))
    seconds = read_seconds(visit.field("seconds")) or 0.0
    places = (visit.field("place"),)
    draft = Draft(visit.field("trace"), visit.read_note(), places, seconds, visit.site.now())
    write_draft(lake, annotator, key, draft)
    return Response(status_code=204)


def make_draft_key(app: str, trace_id: str) -> str:
    """Returns the key of a trace that is read among drafts."""
    return f"reading {digest([app, trace_id], 20)}"


def undo_note(visit: Visit) -> Response:
    """Takes the visitor's last note on an application back, and opens its trace again."""
    site, annotator = visit.site, visit.session.annotator
    app = check_app(visit, visit.field("app"))
    own = [one for one in read_notes(site.lake, app) if one.author == annotator]
    last = max(own, key=lambda one: one.time, default=None)
    if last is None:
        raise Refused(409, "there is nothing to undo: you have written no note here")
    withdraw_note(site.lake, last, site.now())
    seconds = last.seconds_spent or 0.0
    draft = Draft(last.trace_id, last.text, (last.place,), seconds, site.now())
    write_draft(site.lake, annotator, make_draft_key(app, last.trace_id), draft)
    reading = read_reading_list(site.lake, app)
    ids = [one.trace_id for one in reading.traces] if reading else []
    number = ids.index(last.trace_id) + 1 if last.trace_id in ids else None
    return redirect(link_trace(app, number))


ROUTES: tuple[Route, ...] = (
    page("/reading", show_analyses),
    page("/reading/trace", show_trace),
    form("/reading/start", start_reading),
    form("/reading/note", save_note),
    form("/reading/draft", save_draft),
    form("/reading/undo", undo_note),
)
