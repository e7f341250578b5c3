"""JSON as a tree whose deeper parts are folded; lists of alike objects as tables.

Values keep the spelling that they were written in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from markupsafe import Markup

from evals.reports.pages.forms.tables import (
    MOST_COLUMNS,
    MOST_ROWS,
    Table,
    list_columns,
    render_table,
)
from evals.reports.pages.texts import shorten

DEEPEST = 12
"""Levels that are a tree; below them, JSON is a text."""
OPEN_ENTRIES = 12
"""Entries of a part below the first level that is not folded."""
MOST_ENTRIES = 400
"""Entries of an object or a list that are shown."""
INLINE = 90
"""Characters of a list of plain values on one line, and of a string that is no text of its own."""
LARGEST = 2_000_000
"""Characters that are parsed."""
COLUMN_KEYS = 12
"""Columns of a table made of objects, at most."""

PLAIN_VALUE = Markup('<span class="{}">{}</span>')
ENTRY = Markup("<div><dt>{}</dt><dd>{}</dd></div>")
TREE = Markup('<dl class="json">{}</dl>')
FOLDED = Markup("<details{}><summary>{}</summary>{}</details>")
NOTE = Markup('<p class="note">{:,} more entries are not shown.</p>')

ShowText = Callable[[str], Markup]
"""Renders a string that is long or has several lines."""


class WrittenNumber(str):
    """A number as it was written."""

    __slots__ = ()


class NotJsonError(ValueError):
    """A text that is no JSON, or whose shape cannot be shown as a tree."""


def parse_json(text: str) -> object:
    """Parses the JSON of an object or a list, numbers as they are written.

    Raises:
        NotJsonError: it is none, repeats a key, or is too long or too deep.
    """
    if text.lstrip()[:1] not in ("{", "[") or len(text) > LARGEST:
        raise NotJsonError
    try:
        return json.loads(
            text,
            object_pairs_hook=build_object,
            parse_float=WrittenNumber,
            parse_int=WrittenNumber,
            parse_constant=WrittenNumber,
        )
    except (ValueError, RecursionError) as error:
        raise NotJsonError from error


def build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Builds an object; one that repeats a key is shown as it was written."""
    if len(values := dict(pairs)) < len(pairs):
        raise NotJsonError
    return values


def render_tree(value: object, show_text: ShowText, depth: int = 0) -> Markup:
    """Renders a value that was parsed.

    Args:
        value: the value.
        show_text: renders a string that is long or has several lines.
        depth: levels above it.
    """
    if isinstance(value, dict):
        return render_object(cast("dict[str, object]", value), show_text, depth)
    if isinstance(value, list):
        return render_list(cast("list[object]", value), show_text, depth)
    return render_scalar(value, show_text)


def render_scalar(value: object, show_text: ShowText) -> Markup:
    """Renders a value that holds no others."""
    if isinstance(value, WrittenNumber):
        return PLAIN_VALUE.format("hl-n", shorten(value, INLINE * 4))
    if isinstance(value, str):
        if len(value) > INLINE or "\n" in value:
            return show_text(value)
        return PLAIN_VALUE.format(
            "hl-s", json.dumps(shorten(value, INLINE * 8), ensure_ascii=False)
        )
    return PLAIN_VALUE.format("hl-k", json.dumps(value))


def render_object(value: Mapping[str, object], show_text: ShowText, depth: int) -> Markup:
    """Renders an object as names beside values."""
    if not value:
        return PLAIN_VALUE.format("note", "{ } (no entry)")
    shown = list(value.items())[:MOST_ENTRIES]
    rows = [
        ENTRY.format(shorten(key, INLINE) or '""', render_part(one, show_text, depth + 1))
        for key, one in shown
    ]
    return TREE.format(Markup().join(rows)) + describe_rest(len(value) - len(shown))


def render_list(value: Sequence[object], show_text: ShowText, depth: int) -> Markup:
    """Renders a list: on a line, as a table, or one value below the other."""
    if not value:
        return PLAIN_VALUE.format("note", "[ ] (no entry)")
    if is_short(value):
        parts = Markup(", ").join(render_scalar(one, show_text) for one in value)
        return Markup("[{}]").format(parts)
    if columns := find_columns(value):
        return render_objects(cast("Sequence[Mapping[str, object]]", value), columns)
    shown = value[:MOST_ENTRIES]
    rows = [
        ENTRY.format(f"{n}.", render_part(one, show_text, depth + 1))
        for n, one in enumerate(shown, 1)
    ]
    return TREE.format(Markup().join(rows)) + describe_rest(len(value) - len(shown))


def render_part(value: object, show_text: ShowText, depth: int) -> Markup:
    """Renders a value inside another, folded where it is large."""
    size = count_own(value)
    if not size or fits_line(value):
        return render_tree(value, show_text, depth)
    inner = render_deep(value) if depth > DEEPEST else render_tree(value, show_text, depth)
    is_small = depth <= 2 and count_entries(value, OPEN_ENTRIES + 1) <= OPEN_ENTRIES
    words = f"{size:,} {'entry' if size == 1 else 'entries'}"
    return FOLDED.format(Markup(" open") if is_small else Markup(), words, inner)


def fits_line(value: object) -> bool:
    """Whether a value is a list that fits on a line."""
    return isinstance(value, list) and is_short(cast("list[object]", value))


def count_own(value: object) -> int:
    """Counts the entries of an object or a list; 0 for any other value."""
    return len(cast("list[object]", value)) if isinstance(value, dict | list) else 0


def render_deep(value: object) -> Markup:
    """Renders a value below the deepest level as a text."""
    try:
        text = spell_json(value)
    except RecursionError:
        text = "…"
    return PLAIN_VALUE.format("mono", shorten(text, 500))


def spell_json(value: object) -> str:
    """Spells a value that was parsed, on one line."""
    if isinstance(value, WrittenNumber):
        return value
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        inner = ", ".join(f"{json.dumps(key)}: {spell_json(one)}" for key, one in pairs)
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(spell_json, cast('list[object]', value)))}]"
    return json.dumps(value, ensure_ascii=False)


def count_entries(value: object, most: int) -> int:
    """Counts the entries of a value and of those inside it, up to a number."""
    waiting, count = [value], 0
    while waiting and count < most:
        one = waiting.pop()
        inner = list(cast("dict[str, object]", one).values()) if isinstance(one, dict) else one
        if isinstance(inner, list):
            parts = cast("list[object]", inner)[:most]
            count += len(parts)
            waiting += parts
    return count


def is_short(value: Sequence[object]) -> bool:
    """Whether a list is of plain values that fit on a line."""
    if len(value) > INLINE or any(isinstance(one, dict | list) for one in value):
        return False
    return sum(len(str(one)) + 4 for one in value) <= INLINE and "\n" not in "".join(
        map(str, value)
    )


def find_columns(value: Sequence[object]) -> list[str]:
    """Finds the columns of a list of objects whose values are plain; none for any other list."""
    objects = [cast("dict[str, object]", row) for row in value[:MOST_ROWS] if isinstance(row, dict)]
    if len(objects) < 2 or len(objects) < len(value[:MOST_ROWS]) or not all(objects):
        return []
    columns = list_columns(objects)
    is_plain = not any(isinstance(one, dict | list) for row in objects for one in row.values())
    filled = sum(map(len, objects)) / (len(objects) * len(columns))
    return (
        columns
        if is_plain and len(columns) <= min(COLUMN_KEYS, MOST_COLUMNS) and filled >= 0.5
        else []
    )


def render_objects(value: Sequence[Mapping[str, object]], columns: Sequence[str]) -> Markup:
    """Renders objects as the rows of a table; a missing value is an empty cell."""
    rows = [
        [show_value(row[key]) if key in row else "" for key in columns] for row in value[:MOST_ROWS]
    ]
    names = [shorten(key, INLINE) for key in columns]
    return render_table(Table(names, rows)) + describe_rest(len(value) - len(rows))


def show_value(value: object) -> str:
    """Returns a plain value as a cell shows it."""
    if isinstance(value, WrittenNumber):
        return shorten(value, INLINE)
    if not isinstance(value, str):
        return json.dumps(value)
    return shorten(value, INLINE * 8) if value.strip() else json.dumps(value)


def describe_rest(count: int) -> Markup:
    """Describes how many entries are not shown."""
    return NOTE.format(count) if count > 0 else Markup()
