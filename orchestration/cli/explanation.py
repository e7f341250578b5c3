"""What `andon import --explain` prints: a file's format, and what a run would do with its rows.

The explanation is made in `evals.validation.explain`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from evals.readable import list_counts
from evals.specs import Catalog
from evals.storage.lake import Lake
from evals.storage.overlay import open_overlay
from evals.validation.explain import WORDS, FileExplanation, explain_files
from orchestration.cli import row_notes
from orchestration.cli.options import list_files
from orchestration.cli.row_notes import count_of, count_rows
from orchestration.runtime import terminal

WIDTH = 300
"""A longer value of the first trace is cut; `--json` has it whole."""


def print_explanations(
    lake: Lake,
    catalog: Catalog,
    places: Iterable[Path | str],
    assumed: date | None,
    app: str | None,
    as_json: bool,
) -> bool:
    """Explains every file of some places; stores nothing. Returns whether any row would be kept."""
    with open_overlay(lake) as overlay:
        paths = [file for place in places for file in list_files(overlay, place)]
        now = datetime.now(UTC)
        explained = explain_files(overlay, catalog, paths, now, assume_date=assumed, app=app)
    if as_json:
        terminal.print_json(list(map(to_json, explained)))
    else:
        for file in explained:
            terminal.print_lines(describe_file(file))
    return bool(explained) and all(file.keeps_any for file in explained)


def to_json(file: FileExplanation) -> dict[str, object]:
    """Returns an explanation as JSON."""
    rows = {
        "refused": [reason._asdict() for reason in file.refused],
        "unread": [field._asdict() for field in file.unread],
        "without_output": [one._asdict() for one in file.without_output],
        "undeclared": [app._asdict() for app in file.undeclared],
    }
    return {**asdict(file), **rows}


def describe_file(file: FileExplanation) -> Iterator[str]:
    """Describes one file in lines."""
    form = file.format or "no known format"
    packed = WORDS.get(file.packed_as, file.packed_as)
    encoding = f", {file.encoding}" if file.encoding else ""
    yield f"{file.file}: {form} ({packed}{encoding})"
    if file.also:
        yield f"  could also be {', '.join(file.also)}; the first format that matches is used"
    if file.error:
        yield f"  would not be read: {file.error}"
        return
    only = " (constants only)"
    names = [f"{name}{only * (name in file.constants_only)}" for name in file.mappings]
    yield f"  mapping: {', '.join(names) or 'none'}"
    yield from describe_outcome(file)
    yield from (f"  {row_notes.describe_no_outputs(one)}" for one in file.without_output)
    yield from (f"  {row_notes.describe_unread(field)}" for field in file.unread)
    yield from (f"  {row_notes.describe_undeclared(app)}" for app in file.undeclared)
    if file.apps:
        apps = ", ".join(f"{app} ({count:,})" for app, count in file.apps.items())
        yield from (f"  apps: {apps}", f"  nights: {describe_nights(file.nights)}")
    if file.first:
        yield "  first trace, as it would be stored:"
        yield from (f"    {key}: {shorten(value)}" for key, value in file.first.items())


def describe_outcome(file: FileExplanation) -> Iterator[str]:
    """Describes the outcome of a file's rows, in lines."""
    if file.known:
        yield f"  was imported before, {count_rows(file.read)}: a run would not read it again"
    else:
        refused = sum(reason.rows for reason in file.refused)
        yield (
            f"  would keep {count_of(file.traces, 'trace')} and {count_of(file.labels, 'label')}, "
            f"refuse {count_rows(refused)}"
        )
    for count, outcome in (
        (file.duplicates, "repeating or completing another trace"),
        (file.waiting, "would wait: their night has not begun, or their catalog is broken"),
        (file.left_out, "would be left out by `where` of a mapping"),
    ):
        if count:
            yield f"  {count_rows(count)} {outcome}"
    if file.skipped:
        yield f"  would skip {list_counts(file.skipped)}: no answers to judge"
    for reason in file.refused:
        place = f"first at row {reason.line}" if reason.line else "about the file as a whole"
        yield f"    {reason.rows:,} {reason.code}, {place}"
        yield f"      {reason.reason}"
    for night, why in file.refused_nights.items():
        yield f"  would refuse the night {night}: {why}"


def describe_nights(nights: list[str]) -> str:
    """Lists up to three nights by name; the first and last of more."""
    if len(nights) < 4:
        return ", ".join(nights)
    return f"{nights[0]} to {nights[-1]} ({len(nights)} nights)"


def shorten(value: object) -> str:
    """Shortens a value to one line of at most 300 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"
