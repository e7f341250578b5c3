"""Jinja as the pages use it: escaping everywhere, every printed text made visible.

What a page shows is `night`'s and `board`'s.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

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


@functools.cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """The templates of a folder; what is not there is the package's."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = (natural, percent, interval, points, dollars, day, listed, number, share_rows)
    made.filters.update({f.__name__: f for f in filters}, count=lambda n: f"{n:,}")
    made.tests["recorded"] = is_recorded
    made.globals.update(verdict_marks=dict(VERDICT_MARKS))
    return made
