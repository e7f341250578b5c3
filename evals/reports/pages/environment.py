"""The Jinja environment of the pages: escapes everything and shows hidden characters.

What a page shows is in `night` and `board`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.evaluators.registry import is_recorded
from evals.readable import shorten_model, shorten_values
from evals.reports.outlook import describe_trend
from evals.reports.pages.charts import draw_slice_trend, list_shares
from evals.reports.pages.marks import VERDICT_MARKS
from evals.reports.phrases import (
    capitalize_first,
    count_in_words,
    format_day,
    format_dollars,
    format_interval,
    format_percent,
    format_points,
    indent_json,
    join_names,
    show_hidden,
)
from evals.reports.sections.requests import STATUS_PHRASES
from evals.storage.answer_pages import name_trace_page

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

FILTERS: dict[str, Callable[..., object]] = {
    "capitalize_first": capitalize_first,
    "count": "{:,}".format,
    "day": format_day,
    "dollars": format_dollars,
    "describe_trend": describe_trend,
    "ended": STATUS_PHRASES.__getitem__,
    "interval": format_interval,
    "listed": join_names,
    "natural": indent_json,
    "number": count_in_words,
    "percent": format_percent,
    "points": format_points,
    "list_shares": list_shares,
    "short_model": shorten_model,
    "short_values": shorten_values,
    "slice_trend": draw_slice_trend,
    "trace_page": name_trace_page,
}
"""How templates print values."""


@functools.cache
def load_environment(folder: Path = TEMPLATES) -> Environment:
    """Loads the templates of a folder, and the package's for those it lacks."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment: Any = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=show_hidden,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(FILTERS)  # Jinja's own types leave these dictionaries open
    environment.tests["recorded"] = is_recorded
    environment.globals["verdict_marks"] = dict(VERDICT_MARKS)
    return environment
