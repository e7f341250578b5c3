"""Tables in texts: rows with commas, tabs or semicolons between values, and lists of objects.

Tables written in Markdown are `markdown`'s.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

SHOWN_ROWS, MOST_ROWS, MOST_COLUMNS = 15, 300, 30
"""Rows before the rest is folded, and rows and columns that are shown at all."""
NAME_CHARS, CELL_CHARS = 40, 2_000
"""Characters of a column's name, at most, and of a value."""
LEAST_ROWS = 3
"""Lines of a table without quotation marks, with that of the names."""
NUMBER = re.compile(r"[-+−]?[$€£]?\d[\d.,\s]*%?")
TABLE = Markup('<div class="cells"><table class="tight">{}<tbody>{}</tbody></table></div>')
HEAD = Markup("<thead><tr>{}</tr></thead>")
NAME = Markup('<th scope="col"{}>{}</th>')
CELL = Markup('<td{} data-label="{}"><span>{}</span></td>')
FOLDED = Markup("<details><summary>{:,} more {}</summary>{}</details>")
NOTE = Markup('<p class="note">{}</p>')
NUMERIC = Markup(' class="figure"')


class Table(NamedTuple):
    """Values in rows and columns."""

    names: Sequence[str]
    rows: Sequence[Sequence[str]]


def read_table(text: str) -> Table | None:
    """Reads a text that is a table; None where it is none."""
    lines = text.strip().splitlines()
    if len(lines) < LEAST_ROWS:
        return None
    tables = (read_separated(lines, mark) for mark in "\t;,")
    return next((table for table in tables if table), None)


def read_separated(lines: Sequence[str], mark: str) -> Table | None:
    """Reads lines with a mark between values; None unless all have the same number of them."""
    width = lines[0].count(mark) + 1
    if not 1 < width <= MOST_COLUMNS:
        return None
    try:
        names, *rows = csv.reader(lines, delimiter=mark, strict=True)
    except csv.Error:
        return None
    if not rows or not are_names(names) or {len(row) for row in rows} != {len(names)}:
        return None
    if mark == "," and not has_short_values(rows):
        return None
    return Table([name.strip() for name in names], rows)


def are_names(names: Sequence[str]) -> bool:
    """Whether values can be the names of columns: short, all different, and no numbers."""
    plain = [name.strip() for name in names]
    return len({*plain}) == len(plain) and all(
        name and len(name) <= NAME_CHARS and not NUMBER.fullmatch(name) for name in plain
    )


def has_short_values(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are no prose: few have spaces after commas, or a column has numbers."""
    spaced = sum(all(value.startswith(" ") for value in row[1:]) for row in rows)
    columns = zip(*rows, strict=True)
    return spaced <= len(rows) / 2 or any(map(is_numeric, columns))


def is_numeric(values: Sequence[str]) -> bool:
    """Whether all values that there are are numbers."""
    return all(not value or NUMBER.fullmatch(value.strip()) for value in values)


def list_columns(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Lists the keys of some objects, in the order in which they appear."""
    return list(dict.fromkeys(key for row in rows for key in row))


def render_table(table: Table, show: Callable[[str], str | Markup] = str) -> Markup:
    """Renders a table; on a phone each row is a card.

    Args:
        table: its texts, cut and with hidden characters shown.
        show: renders a value.
    """
    names, rows = table.names[:MOST_COLUMNS], table.rows[:MOST_ROWS]
    columns = [[row[n] for row in rows] for n in range(len(names))]
    marks = [NUMERIC if is_numeric(column) else Markup() for column in columns]
    head = HEAD.format(Markup().join(map(NAME.format, marks, names)))
    lines = [render_row(names, marks, [show(value) for value in row]) for row in rows]
    first = TABLE.format(head, Markup().join(lines[:SHOWN_ROWS]))
    rest = lines[SHOWN_ROWS:]
    more = FOLDED.format(
        len(rest), "row" if len(rest) == 1 else "rows", TABLE.format(head, Markup().join(rest))
    )
    return first + (more if rest else Markup()) + describe_left_out(table)


def render_row(
    names: Sequence[str], marks: Sequence[Markup], values: Iterable[str | Markup]
) -> Markup:
    """Renders a row."""
    cells = (
        CELL.format(mark, name, value)
        for mark, name, value in zip(marks, names, values, strict=False)
    )
    return Markup("<tr>{}</tr>").format(Markup().join(cells))


def describe_left_out(table: Table) -> Markup:
    """Describes the rows and columns that are not shown."""
    rows, columns = len(table.rows) - MOST_ROWS, len(table.names) - MOST_COLUMNS
    parts = [f"{rows:,} more rows"] * (rows > 0) + [f"{columns:,} more columns"] * (columns > 0)
    return NOTE.format(f"{' and '.join(parts)} are not shown.") if parts else Markup()
