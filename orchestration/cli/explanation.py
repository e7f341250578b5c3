"""What `andon import --explain` prints: a file's format, the rows it would refuse, its first trace.

The explanation is made in `evals.ingest.explain`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path

from evals.ingest.explain import WORDS, FileExplanation, explain_file
from evals.ingest.inbox import list_inbox
from evals.readable import list_counts
from evals.specs import Catalog
from orchestration.runtime import terminal

WIDTH = 300
"""A longer value of the first trace is cut; `--json` has it whole."""


def print_explanations(
    catalog: Catalog, paths: Iterable[Path], assumed: date | None, app: str | None, as_json: bool
) -> None:
    """Explains every file of some paths; stores nothing."""
    files = [file for path in paths for file in list_inbox(path)]
    explained = [explain_file(catalog, file, assume_date=assumed, app=app) for file in files]
    if as_json:
        terminal.print_json(
            [{**asdict(file), "refused": [r._asdict() for r in file.refused]} for file in explained]
        )
        return
    for file in explained:
        for line in describe_file(file):
            terminal.print_line(line)


def describe_file(file: FileExplanation) -> list[str]:
    """The lines that explain one file."""
    form = file.format or "no known format"
    packed = WORDS.get(file.packed_as, file.packed_as)
    lines = [f"{file.file}: {form} ({packed})"]
    if file.also:
        lines.append(
            f"  could also be {', '.join(file.also)}; the first format that matches is used"
        )
    lines.append(f"  mapping: {', '.join(file.mappings) or 'none'}")
    refused = sum(reason.rows for reason in file.refused)
    seen = "" if file.whole else f" (of the first {file.traces + file.labels + refused:,})"
    lines.append(
        f"  would keep {file.traces:,} traces and {file.labels:,} labels, "
        f"refuse {refused:,} rows{seen}"
    )
    if file.skipped:
        lines.append(f"  would skip {list_counts(file.skipped)}: no answers to judge")
    for reason in file.refused:
        lines.append(f"    {reason.rows:,} {reason.code}, first at row {reason.line}")
        lines.append(f"      {reason.reason}")
    if file.apps:
        apps = ", ".join(f"{app} ({count:,})" for app, count in file.apps.items())
        lines += [f"  apps: {apps}", f"  nights: {describe_nights(file.nights)}"]
    if file.first:
        lines.append("  first trace, as it would be stored:")
        lines += [f"    {key}: {shorten(value)}" for key, value in file.first.items()]
    return lines


def describe_nights(nights: list[str]) -> str:
    """The names of up to three nights; the first and last of more."""
    if len(nights) < 4:
        return ", ".join(nights)
    return f"{nights[0]} to {nights[-1]} ({len(nights)} nights)"


def shorten(value: object) -> str:
    """A value on one line of at most 300 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"
