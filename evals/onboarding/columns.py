"""The columns of an export: how often each has a value, with an example; nested keys are dotted.

What a column means is guessed in `guesses`.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.records import Json
from evals.traces.files.containers import Container, read_rows
from evals.traces.files.strict_json import parse_inner
from evals.traces.rows.missing_output import parse_rows, read_first_rows

MAX_ROWS = 2_000
"""Rows of a file that are looked at."""
MOST_ROWS = 1_000_000
"""Rows of a file whose numbers are looked at."""
DEPTH = 4
"""Keys nested deeper are seen as one value."""


@dataclass(frozen=True)
class Column:
    """One column of an export."""

    path: str
    """Its name, or the dotted path to it."""
    values: tuple[Json, ...]
    """What the rows looked at have there, those without a value left out."""
    rows: int
    """The rows looked at."""

    @property
    def share_filled(self) -> float:
        """The share of rows that have a value, 0 to 1."""
        return len(self.values) / self.rows

    @property
    def texts(self) -> list[str]:
        """Its values that are text."""
        return [value for value in self.values if isinstance(value, str)]

    @property
    def is_text(self) -> bool:
        """Whether all its values are text."""
        return len(self.texts) == len(self.values)

    @property
    def mean_length(self) -> float:
        """The mean length of its texts, in characters."""
        return sum(map(len, self.texts)) / max(len(self.texts), 1)

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.share_filled == 1 and len(set(map(str, self.values))) == self.rows


def read_columns(path: Path, container: Container) -> list[Column]:
    """Reads the columns of a file's first rows, in the order in which they first occur.

    Raises:
        OSError: the file cannot be opened.
    """
    return collect_columns(read_first_rows(path, container, MAX_ROWS))


def read_parsed_columns(path: Path, container: Container) -> list[Column]:
    """Reads the columns of a file's first rows, those within a text that is JSON, too."""
    rows = read_first_rows(path, container, MAX_ROWS)
    return collect_columns(
        [{key: parse_object(value) for key, value in row.items()} for row in rows]
    )


def parse_object(value: Json) -> Json:
    """Returns the object that a text is the JSON of; any other value unchanged."""
    inner = parse_inner(value) if type(value) is str and value.startswith("{") else value
    return inner if type(inner) is dict else value


def read_all_values(path: Path, container: Container, paths: Collection[str]) -> Iterator[Json]:
    """Yields what some columns have in all rows of a file, at most a million."""
    for row in itertools.islice(parse_rows(read_rows(path, container)), MOST_ROWS):
        yield from (value for name, value in flatten(row) if name in paths)


def collect_columns(rows: Sequence[dict[str, Json]]) -> list[Column]:
    """Collects the columns of some rows."""
    values: dict[str, list[Json]] = {}
    for row in rows:
        for path, value in flatten(row):
            values.setdefault(path, []).append(value)
    return [Column(path, tuple(cells), len(rows)) for path, cells in values.items()]


def flatten(row: dict[str, Json], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Json]]:
    """Yields each value of a row that is not empty with its dotted path."""
    for key, value in row.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and depth < DEPTH:
            yield from flatten(value, f"{path}.", depth + 1)
        elif value is not None and value not in ("", [], {}):
            yield path, value


def show_example(column: Column, width: int = 60) -> str:
    """Returns a column's first value on one line, cut to some width."""
    text = " ".join(str(column.values[0]).split()) if column.values else ""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def by_path(columns: Iterable[Column]) -> dict[str, Column]:
    """The columns by their path."""
    return {column.path: column for column in columns}
