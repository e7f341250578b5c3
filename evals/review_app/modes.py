"""The failure modes of an application: people rename, merge, split and move, and decide.

Reading traces is in `notes`; how notes are grouped in `evals.error_analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from evals.error_analysis import modes
from evals.error_analysis.modes import Change, ModeError
from evals.error_analysis.progress import count_transitions, list_mode_notes
from evals.review_app.notes import check_app, find_title, link_trace, measure
from evals.review_app.visits import Refused, Visit, form, page, redirect, render
from evals.storage.documents.failure_modes import (
    ACTIONS,
    Action,
    FailureMode,
    change_taxonomy,
    read_taxonomies,
    read_taxonomy,
)
from evals.storage.documents.open_notes import OpenNote, read_notes
from evals.storage.documents.reading_lists import read_reading_list

ACTION_WORDS: dict[Action, str] = {
    "prompt": "fix the prompt",
    "guard": "a guard",
    "assertion": "an assertion",
    "judge": "a judge",
    "ignore": "ignore it",
}
SHOWN_VERSIONS = 10


class ShownNote(NamedTuple):
    """A note, with the way to its trace."""

    note: OpenNote
    href: str
    """Empty where the present list does not have its trace."""


class ShownMode(NamedTuple):
    """A failure mode on the page."""

    mode: FailureMode
    notes: tuple[ShownNote, ...]

    @property
    def is_drafted(self) -> bool:
        """Whether what was decided can be drafted."""
        decision = self.mode.decision
        return decision is not None and decision.action in ("guard", "assertion", "judge")


def show_modes(visit: Visit) -> Response:
    """Shows an application's failure modes, where traces break, and whether to read on."""
    app, lake = check_app(visit, visit.query.get("app", "")), visit.site.lake
    notes = read_notes(lake, app)
    if not notes:
        raise Refused(404, f"nobody has written a note on {app[:80]!r} yet: read traces first")
    taxonomy, versions = read_taxonomy(lake, app), read_taxonomies(lake, app)
    reading = read_reading_list(lake, app)
    numbers = {one.trace_id: n for n, one in enumerate(reading.traces, 1)} if reading else {}
    progress = measure(visit, app)
    loose = [one for one in notes if one.verdict == "fail" and one.key not in taxonomy.grouped]
    return render(
        visit,
        "modes.html",
        app=app,
        title=find_title(visit, app),
        sentence=describe_modes(len(taxonomy.modes), len(loose)),
        progress=progress,
        modes=[
            ShownMode(mode, show_notes(app, list_mode_notes(mode, notes), numbers))
            for mode in sorted(taxonomy.modes, key=lambda one: -len(one.notes))
        ],
        loose=show_notes(app, loose, numbers),
        matrix=count_transitions(notes),
        actions=ACTION_WORDS,
        versions=list(reversed(versions))[:SHOWN_VERSIONS],
        next_link=link_trace(app),
        is_read=progress.read >= progress.listed,
    )


def describe_modes(count: int, loose: int) -> str:
    """Describes in a sentence what there is to do."""
    if loose:
        waiting = "1 note waits" if loose == 1 else f"{loose} notes wait"
        return f"{waiting} to be grouped"
    if not count:
        return "Nothing broke in what was read"
    return "1 failure mode" if count == 1 else f"{count} failure modes"


def show_notes(
    app: str, notes: list[OpenNote], numbers: Mapping[str, int]
) -> tuple[ShownNote, ...]:
    """Returns notes with the way to each one's trace."""
    return tuple(
        ShownNote(one, link_trace(app, numbers[one.trace_id]) if one.trace_id in numbers else "")
        for one in notes
    )


def change_modes(visit: Visit) -> Response:
    """Changes the failure modes as a form asks, and shows them."""
    app, site = check_app(visit, visit.field("app")), visit.site
    change = FORMS.get(visit.field("change"))
    if change is None or not read_notes(site.lake, app):
        raise Refused(400, "this form is not one of the page; reload it")
    try:
        change_taxonomy(site.lake, app, change(visit), visit.session.annotator, site.now())
    except ModeError as error:
        raise Refused(422, str(error)) from error
    anchor = visit.field("mode")
    return redirect(f"/modes?{urlencode({'app': app})}{f'#{anchor}' if anchor else ''}")


def group(visit: Visit) -> Change:
    """Groups the notes without a mode."""
    notes = read_notes(visit.site.lake, visit.field("app"))
    return lambda one: modes.group_notes(one, notes)


def rename(visit: Visit) -> Change:
    """Renames a mode; any words become a name."""
    name = modes.make_name(visit.field("name"))
    words = " ".join(visit.field("description").split())[:500]
    return lambda one: modes.rename_mode(one, visit.field("mode"), name, words)


def merge(visit: Visit) -> Change:
    """Merges a mode into another one."""
    return lambda one: modes.merge_modes(one, [visit.field("mode")], visit.field("into"))


def move(visit: Visit) -> Change:
    """Moves the chosen notes into another mode, or splits them off as a new one."""
    keys, into, name = visit.form.get("note", ()), visit.field("into"), visit.field("name")
    known = {note.key for note in read_notes(visit.site.lake, visit.field("app"))}
    if not keys or not known.issuperset(keys):
        raise ModeError("choose the notes to move first")
    if into:
        return lambda one: modes.move_notes(one, keys, into)
    new = modes.make_name(name)
    return lambda one: modes.split_mode(one, visit.field("mode"), keys, new)


def decide(visit: Visit) -> Change:
    """Stores what is done about a mode."""
    action = visit.field("action")
    if action not in ACTIONS:
        raise ModeError("choose what to do about it")
    by, now = visit.session.annotator, visit.site.now()
    reason = " ".join(visit.field("reason").split())[:500]
    mode = visit.field("mode")
    return lambda one: modes.decide_mode(one, mode, action, by, now, reason)


FORMS: dict[str, Callable[[Visit], Change]] = {
    "group": group,
    "rename": rename,
    "merge": merge,
    "move": move,
    "decide": decide,
}
"""What a form of the page may change, by its name."""

ROUTES: tuple[Route, ...] = (page("/modes", show_modes), form("/modes/change", change_modes))
