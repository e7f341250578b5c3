"""Writes open notes: redacted, bound to the answer, with who wrote them and when.

What is in a note's record is `storage.documents.open_notes`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from evals.error_analysis.places import mark_break
from evals.evaluators.gold import digest_answer
from evals.privacy.detectors import PII_KINDS
from evals.privacy.redaction import build_redactor
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Trace, Verdict
from evals.specs import Catalog
from evals.storage.documents.open_notes import OpenNote, add_note, read_notes
from evals.storage.documents.reading_lists import ListedTrace, read_reading_list
from evals.storage.id_index import find_nights
from evals.storage.lake import Lake
from evals.storage.night_state import DAY

LONGEST = 4000
"""Characters of a note."""


class NoteError(ValueError):
    """The note cannot be written; the message gives the reason and what to do."""


class StoredTrace(NamedTuple):
    """A trace with the night that has it."""

    trace: Trace
    night: date


@dataclass(frozen=True, kw_only=True)
class DraftNote:
    """A person's note about a trace, as written."""

    verdict: Verdict
    author: str
    text: str = ""
    """What broke first."""
    place: str = ""
    """The key of the place where it broke; empty: not marked."""
    seconds_spent: float | None = None


def find_trace(lake: Lake, catalog: Catalog, trace_id: str) -> StoredTrace | None:
    """Finds a trace by the id it arrived with, or by the one that is stored."""
    wanted = PrivacyFilter.load(lake, catalog).hash_identity(trace_id)
    staged = find_nights(lake, [wanted])
    stored = set(lake.list_nights("traces"))
    nights = {near for night in staged for near in (night, night - DAY)} & stored
    for night in sorted(nights, reverse=True):
        for trace in lake.stream_night("traces", night, ("trace_id", [wanted])):
            return StoredTrace(trace, night)
    return None


def read_trace(lake: Lake, night: date, trace_id: str) -> Trace | None:
    """Reads a trace of a night by its stored id."""
    return next(lake.stream_night("traces", night, ("trace_id", [trace_id])), None)


def write_note(
    lake: Lake, catalog: Catalog, found: StoredTrace, draft: DraftNote, now: datetime
) -> OpenNote:
    """Writes a person's note about a trace; it supersedes their earlier one about it.

    Raises:
        NoteError: a failing trace without words, a passing one with a place, or a note that is
            too long.
        UnknownPlaceError: the trace has no such place.
    """
    check_draft(draft)
    trace, privacy = found.trace, PrivacyFilter.load(lake, catalog)
    redact = build_redactor(privacy.list_redacted_kinds(trace.app) or PII_KINDS)
    broke = mark_break(trace, draft.place)
    author = privacy.hash_identity(to_utf8(draft.author.strip()))
    earlier = find_note(lake, trace.app, trace.trace_id, author)
    note = OpenNote(
        app=trace.app,
        trace_id=trace.trace_id,
        night=found.night,
        verdict=draft.verdict,
        text=redact(to_utf8(draft.text.strip())),
        place=broke.place,
        failing_state=redact(broke.failing_state),
        last_good_state=redact(broke.last_good_state),
        author=author,
        time=now,
        answer=digest_answer(trace),
        prompt_version=trace.prompt_version,
        seconds_spent=draft.seconds_spent,
        thread=earlier.key if earlier else "",
    )
    return add_note(lake, note)


def to_utf8(text: str) -> str:
    """Returns a text without what UTF-8 lacks, such as a byte that a terminal passed on."""
    return text.encode("utf-8", "replace").decode()


def check_draft(draft: DraftNote) -> None:
    """Checks that a note has what it needs.

    Raises:
        NoteError: it does not.
    """
    if not draft.author.strip():
        raise NoteError("a note needs its author's name: --by NAME")
    if draft.verdict == "fail" and not draft.text.strip():
        raise NoteError("a note on a trace that failed needs words: what broke first?")
    if draft.verdict == "pass" and draft.place:
        raise NoteError("a trace in which nothing broke has no place where it broke")
    if len(draft.text) > LONGEST:
        raise NoteError(f"a note has at most {LONGEST:,} characters; this has {len(draft.text):,}")


def withdraw_note(lake: Lake, note: OpenNote, now: datetime) -> OpenNote:
    """Takes a note back by appending that; nothing changes or disappears."""
    return add_note(lake, note._replace(is_withdrawn=True, thread=note.key, time=now, id=""))


def find_note(lake: Lake, app: str, trace_id: str, author: str) -> OpenNote | None:
    """Finds a person's note about a trace."""
    notes = (one for one in read_notes(lake, app) if one.trace_id == trace_id)
    return next((one for one in notes if one.author == author), None)


def list_unread(lake: Lake, app: str) -> list[ListedTrace]:
    """Lists the traces of the reading list that nobody has written a note about."""
    reading = read_reading_list(lake, app)
    read = {note.trace_id for note in read_notes(lake, app)}
    return [one for one in reading.traces if one.trace_id not in read] if reading else []
