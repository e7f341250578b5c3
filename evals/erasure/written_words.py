"""What people wrote about traces: their labels, gold values and notes.

Such words are removed from files that repeat them, as an export in the home or a run's history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evals.privacy.scrubbing import list_strings
from evals.records import Trace
from evals.storage.documents.open_notes import list_noted_apps, read_note_history
from evals.storage.label_records import read_every_label, read_gold_values
from evals.storage.lake import Lake


def list_written(lake: Lake, own: Sequence[Trace], traces: set[str]) -> set[str]:
    """Lists what people wrote about traces and their sessions, and in the same words of no other.

    Args:
        lake: with labels, gold values and notes.
        own: the traces themselves, for their sessions.
        traces: their ids, of those too that are not there any more.
    """
    sessions = {trace.session_id for trace in own if trace.session_id}
    words: dict[bool, set[str]] = {True: set(), False: set()}
    for subject, subject_id, text in list_texts(lake):
        words[subject_id in (sessions if subject == "session" else traces)].add(text)
    return words[True] - words[False]


def list_texts(lake: Lake) -> Iterator[tuple[str, str, str]]:
    """Yields what people wrote, each with its subject and that one's id."""
    for label in read_every_label(lake):
        yield label.subject, label.subject_id, label.critique
    for value in read_gold_values(lake):
        for text in list_strings(value.value):
            yield "trace", value.subject_id, text
    for app in list_noted_apps(lake):
        for note in read_note_history(lake, app):
            yield "trace", note.trace_id, note.text
