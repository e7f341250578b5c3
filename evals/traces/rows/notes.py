"""What reading a file notes beside its rows: unreadable values, columns, rows left out.

Rows that are refused have records of their own.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from evals.records import Json, encode_canonical

UNREAD = "unread"
"""The metadata key under which a trace has the values that could not be read, by field."""
MAX_EXAMPLE = 40
SAMPLED_ROWS = 100
"""Rows of each mapping whose keys are collected, to suggest a name for a missing column."""
MAX_DEPTH = 4
MAX_KEYS = 2000
WORD = re.compile(r"[^\W\d_]{6,}")
"""A word this long may be somebody's text, and an example is stored."""


class UnreadField(NamedTuple):
    """The rows in which an optional field could not be read and became null."""

    rows: int
    line: int
    """Of the first of them."""
    example: str
    """The beginning of its value, not redacted."""


@dataclass
class ReadingNotes:
    """The notes of one file."""

    mapped: Counter[str] = field(default_factory=Counter[str])
    """How many rows each mapping was applied to, by its name."""
    found: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The targets whose column some row has, by mapping."""
    keys: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    """The columns of the first rows, nested ones dotted, by mapping; "" for rows of none."""
    unread: dict[str, UnreadField] = field(default_factory=dict[str, UnreadField])
    left_out: int = 0
    """Rows that `where` of a mapping leaves out."""
    clock_changes: int = 0
    """Local times in an hour that the clock shows twice or skips."""

    def add_unread(self, name: str, line: int, value: Json) -> None:
        """Counts a value that could not be read."""
        noted = self.unread.get(name)
        if noted is None:
            self.unread[name] = UnreadField(1, line, format_example(value))
        else:
            self.unread[name] = noted._replace(rows=noted.rows + 1)

    def add_keys(self, mapping: str, row: dict[str, Json]) -> None:
        """Collects the columns of a row, if it is among the first."""
        keys = self.keys.setdefault(mapping, {})
        if self.mapped[mapping] < SAMPLED_ROWS and len(keys) < MAX_KEYS:
            keys.update(dict.fromkeys(itertools.islice(list_paths(row), MAX_KEYS)))

    def add_mapped(self, mapping: str, rows: int, targets: Iterable[str]) -> None:
        """Counts rows that a mapping was applied to, and the targets they have columns for."""
        self.mapped[mapping] += rows
        self.found.setdefault(mapping, set()).update(targets)

    def merge(self, other: ReadingNotes) -> None:
        """Adds the notes of another reader of the same file."""
        self.mapped.update(other.mapped)
        self.left_out += other.left_out
        self.clock_changes += other.clock_changes
        for mapping, targets in other.found.items():
            self.found.setdefault(mapping, set()).update(targets)
        for name, theirs in other.unread.items():
            own = self.unread.get(name)
            first = min((note for note in (own, theirs) if note), key=lambda note: note.line)
            self.unread[name] = first._replace(rows=theirs.rows + (own.rows if own else 0))


def list_paths(row: dict[str, Json], prefix: str = "", depth: int = 1) -> Iterator[str]:
    """Yields the dotted paths of a row's keys."""
    for key, value in row.items():
        yield f"{prefix}{key}"
        if type(value) is dict and depth < MAX_DEPTH:
            yield from list_paths(value, f"{prefix}{key}.", depth + 1)


def format_example(value: Json) -> str:
    """Returns the beginning of a value as text."""
    text = value if type(value) is str else encode_canonical(value).decode("utf-8", "replace")
    return text[: 4 * MAX_EXAMPLE]


def shorten_example(text: str) -> str:
    """Returns a redacted text, shortened, without long words, which may be somebody's."""
    text = WORD.sub("…", text)
    return text if len(text) <= MAX_EXAMPLE else f"{text[: MAX_EXAMPLE - 1]}…"
