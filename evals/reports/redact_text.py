"""Reports that keep their figures and lose the text of some traces: forgotten, or too old.

The one exception to a report never being rewritten; its version's name stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from evals.records import canonical
from evals.reports import assembly
from evals.storage.files import replace
from evals.storage.lake import Lake

FIGURES = ("dimension", "evaluator", "verdict", "ts", "source_line")
"""What stays of an example."""


def rewrite(lake: Lake, gone: Callable[[dict[str, Any]], bool], mark: str) -> list[Path]:
    """Takes the text out of some examples of every report, and draws those pages anew.

    Args:
        lake: where the reports rest.
        gone: whether an example has to go.
        mark: what stands in the place of its text.

    Returns:
        The folders of the reports that changed.
    """
    changed = []
    for path in sorted((lake.home / "reports").glob("*/*/*/report.json")):
        body = json.loads(path.read_bytes())
        examples = [unsaid(one, mark) if gone(one) else one for one in body["examples"]]
        if examples != body["examples"]:
            page = drawn(lake, {**body, "examples": examples})
            replace(path.with_name("index.html"), page.encode("utf-8", "replace"))
            replace(path, canonical({**body, "examples": examples}) + b"\n")
            changed.append(path.parent)
    return changed


def drawn(lake: Lake, body: dict[str, Any]) -> str:
    """The page of a report's body."""
    from evals.reports import pages

    night = date.fromisoformat(body["date"])
    return pages.render_night(body, history=assembly.earlier(lake, body["app"], night))


def unsaid(example: dict[str, Any], mark: str) -> dict[str, Any]:
    """An example without its words, its steps and its ids."""
    return {key: value if key in FIGURES else quiet(value, mark) for key, value in example.items()}


def quiet(value: Any, mark: str) -> Any:
    """The mark for a text, nothing for a list, and null stays null."""
    if isinstance(value, str):
        return mark if value else value
    return [] if isinstance(value, list) else None if value is None else value
