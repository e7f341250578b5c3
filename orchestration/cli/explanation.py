"""What `andon import --explain` prints: what a file is taken for, what it would refuse, a trace.

What is found is decided in `evals.ingest.explain`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from evals.ingest.explain import WORDS, FileExplanation, explain_file
from evals.ingest.inbox import list_inbox
from evals.specs import Catalog
from orchestration.runtime import terminal

WIDTH = 300
"""A longer value of the first trace is cut; `--json` has it whole."""


def tell(
    catalog: Catalog, paths: Iterable[Path], assumed: date | None, app: str | None, as_json: bool
) -> None:
    """Explains every file of some paths, and writes nothing but to the terminal."""
    files = [file for given in paths for file in list_inbox(given)]
    found = [explain_file(catalog, file, assume_date=assumed, app=app) for file in files]
    if as_json:
        terminal.show(
            [{**asdict(one), "refused": [r._asdict() for r in one.refused]} for one in found]
        )
        return
    for one in found:
        for line in lines(one):
            terminal.say(line)


def lines(found: FileExplanation) -> list[str]:
    """One file's explanation."""
    form = found.format or "no known format"
    packed = WORDS.get(found.packed_as, found.packed_as)
    told = [f"{found.file}: {form} ({packed})"]
    if found.also:
        told.append(f"  could also be {', '.join(found.also)}; the first that knows a file is used")
    told.append(f"  mapping: {', '.join(found.mappings) or 'none'}")
    refused = sum(reason.rows for reason in found.refused)
    seen = "" if found.whole else f" (of the first {found.traces + found.labels + refused:,})"
    told.append(
        f"  would keep {found.traces:,} traces and {found.labels:,} labels, "
        f"refuse {refused:,} rows{seen}"
    )
    for reason in found.refused:
        told.append(f"    {reason.rows:,} {reason.code}, first at row {reason.line}")
        told.append(f"      {reason.reason}")
    if found.apps:
        apps = ", ".join(f"{app} ({count:,})" for app, count in found.apps.items())
        told += [f"  apps: {apps}", f"  nights: {span(found.nights)}"]
    if found.first:
        told.append("  first trace, as it would rest:")
        told += [f"    {key}: {short(value)}" for key, value in found.first.items()]
    return told


def span(nights: list[str]) -> str:
    """Some nights in few words."""
    few = ", ".join(nights)
    return few if len(nights) < 4 else f"{nights[0]} to {nights[-1]} ({len(nights)} nights)"


def short(value: Any) -> str:
    """A value on one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"
