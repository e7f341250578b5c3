"""How far an error analysis is: what was read, whether new modes still appear, where traces break.

Pure. When the next one is due is `due`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from evals.storage.documents.failure_modes import FailureMode, Taxonomy
from evals.storage.documents.open_notes import OpenNote
from evals.storage.documents.reading_lists import ReadingList

LEAST = 30
"""Traces that an error analysis reads at least, where so many are listed."""
STOP_AFTER = 20
"""Traces in a row without a new mode after which reading more teaches little."""


class Progress(NamedTuple):
    """How far an error analysis is."""

    listed: int
    """Traces on the reading list."""
    read: int
    """Of the list, those with a note."""
    noted: int
    """Traces with a note, on whichever list."""
    failed: int
    """Of those, the ones where something broke."""
    ungrouped: int
    """Failing notes without a mode: each counts as a possible new one."""
    modes: int
    since_new_mode: int
    """Traces read since the last one that brought a new mode."""
    last: datetime | None
    """When the last note was written."""

    @property
    def is_saturated(self) -> bool:
        """Whether no new mode appeared in the last 20 traces."""
        return self.since_new_mode >= STOP_AFTER

    @property
    def is_enough(self) -> bool:
        """Whether enough was read: the least number with no new mode lately, or the whole list."""
        whole = self.listed > 0 and self.read >= self.listed
        return whole or (self.is_saturated and self.read >= min(LEAST, self.listed))

    def describe_stop(self) -> str:
        """Describes the stop rule in a sentence."""
        if not self.noted:
            return f"reading may stop after {STOP_AFTER} traces without a new mode"
        n = self.since_new_mode
        traces = "1 trace" if n == 1 else f"{n} traces"
        count = f"{traces} read since the last new mode; at {STOP_AFTER} you may stop"
        if self.is_saturated:
            return f"no new mode in the last {self.since_new_mode} traces: you may stop reading"
        return f"{count}; {self.describe_ungrouped()}" if self.ungrouped else count

    def describe_ungrouped(self) -> str:
        """Describes how many notes have no failure mode yet."""
        verb = "note has" if self.ungrouped == 1 else "notes have"
        return f"{self.ungrouped} {verb} no mode yet"


class Transition(NamedTuple):
    """How often traces went wrong between two states."""

    last_good: str
    first_failing: str
    n: int


class Matrix(NamedTuple):
    """Last good state by first failing state."""

    rows: tuple[str, ...]
    """Last good states, the most frequent first."""
    columns: tuple[str, ...]
    """First failing states, the most frequent first."""
    counts: dict[tuple[str, str], int]
    not_marked: int
    """Failing notes that mark no place."""

    def list_transitions(self) -> list[Transition]:
        """Lists the cells that are not 0, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda cell: (-cell[1], cell[0]))
        return [Transition(*states, n) for states, n in ordered]


def measure_progress(
    reading: ReadingList | None, notes: Sequence[OpenNote], taxonomy: Taxonomy
) -> Progress:
    """Measures how far an analysis is; notes are in the order in which they were written."""
    listed = {one.trace_id for one in reading.traces} if reading else set[str]()
    noted = {note.trace_id for note in notes}
    failing = [note for note in notes if note.verdict == "fail"]
    return Progress(
        listed=len(listed),
        read=len(listed & noted),
        noted=len(noted),
        failed=len({note.trace_id for note in failing}),
        ungrouped=sum(note.key not in taxonomy.grouped for note in failing),
        modes=len(taxonomy.modes),
        since_new_mode=count_since_new_mode(notes, taxonomy),
        last=max((note.time for note in notes), default=None),
    )


def count_since_new_mode(notes: Sequence[OpenNote], taxonomy: Taxonomy) -> int:
    """Counts the traces read since the last that brought a mode no earlier one had.

    A failing note without a mode may be a new one, so it counts as that.
    """
    mode_of = {key: mode.id for mode in taxonomy.modes for key in mode.notes}
    seen: set[str] = set()
    since: set[str] = set()
    for note in notes:
        mode = mode_of.get(note.key, "")
        is_new = note.verdict == "fail" and mode not in seen
        if is_new:
            since = set()
        elif note.trace_id:
            since.add(note.trace_id)
        if mode:
            seen.add(mode)
    return len(since)


def count_transitions(notes: Sequence[OpenNote]) -> Matrix:
    """Counts, over failing notes, the last good state by the first failing one."""
    failing = [note for note in notes if note.verdict == "fail"]
    marked = [note for note in failing if note.failing_state]
    counts = Counter((note.last_good_state, note.failing_state) for note in marked)
    rows = Counter(note.last_good_state for note in marked)
    columns = Counter(note.failing_state for note in marked)
    return Matrix(rank_states(rows), rank_states(columns), dict(counts), len(failing) - len(marked))


def rank_states(counts: Counter[str]) -> tuple[str, ...]:
    """Ranks states by how often they occur."""
    return tuple(sorted(counts, key=lambda state: (-counts[state], state)))


def list_mode_notes(mode: FailureMode, notes: Sequence[OpenNote]) -> list[OpenNote]:
    """Lists the notes of a mode, oldest first."""
    return [note for note in notes if note.key in mode.notes]
