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


def list_written(lake: Lake, own: Sequence[Trace], traces: set[str]) -> Iterator[str]:
    """Yields what people wrote about traces and their sessions: labels, gold values and notes."""
    sessions = {trace.session_id for trace in own if trace.session_id}
    for label in read_every_label(lake):
        if label.subject_id in (sessions if label.subject == "session" else traces):
            yield label.critique
    for value in read_gold_values(lake):
        if value.subject_id in traces:
            yield from list_strings(value.value)
    for app in list_noted_apps(lake):
        for note in read_note_history(lake, app):
            if note.trace_id in traces:
                yield note.text
