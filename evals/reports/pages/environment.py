"""Jinja as the pages use it: escaping everywhere, every printed text made visible.

What a page shows is `night`'s and `board`'s.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.evaluators.registry import is_recorded
from evals.reports.pages.charts import share_rows
from evals.reports.pages.marks import VERDICT_MARKS
from evals.reports.phrases import (
    day,
    dollars,
    interval,
    listed,
    natural,
    number,
    percent,
    points,
    visible,
)

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

FILTERS: dict[str, Callable[..., Any]] = {
    "count": "{:,}".format,
    "day": day,
    "dollars": dollars,
    "interval": interval,
    "listed": listed,
    "natural": natural,
    "number": number,
    "percent": percent,
    "points": points,
    "share_rows": share_rows,
}
"""How templates print values."""


@functools.cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """The templates of a folder; what is not there is the package's."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made: Any = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(FILTERS)  # Jinja's own types leave these dictionaries open
    made.tests["recorded"] = is_recorded
    made.globals["verdict_marks"] = dict(VERDICT_MARKS)
    return made
