"""The page of a night of an application: its frame, and the fragment of each section.

Turns a report into words, geometry and markup. Computes no rate, interval or verdict.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from evals.evaluators.registry import is_recorded
from evals.reports import sections
from evals.reports.pages.charts import Scale, Trend, scale, series, trend, version_marks
from evals.reports.pages.environment import TEMPLATES, environment
from evals.reports.pages.marks import VERDICT_MARKS, address, verdict_of
from evals.reports.report import Report
from evals.reports.sections import accounting, causes, changes, provenance, results
from evals.reports.sections.causes import Cause
from evals.reports.sections.changes import Change
from evals.reports.sections.results import Result


class Moved(NamedTuple):
    """A change with its causes, or causes of what changed too little to be one."""

    dimension: str
    change: Change | None
    causes: list[Cause]


def render_night(
    report: Report,
    *,
    history: Sequence[Report],
    provisional_until: str | None = None,
    run: Mapping[str, Any] = MappingProxyType({}),
    templates: Path = TEMPLATES,
) -> str:
    """The page of a night of an application.

    Args:
        report: the night's.
        history: earlier reports of the same application, oldest first.
        provisional_until: the moment up to which rows may still come, where that is to come.
        run: what lies beside the report; of it `pins`, as `render_board` takes them.
        templates: where a fragment is looked for first.

    Returns:
        One HTML file that reaches for nothing outside itself but `report.json` beside it and
        the board three folders up.
    """
    whole = [row for row in report[results.SECTION] if row.is_whole]
    nights = [*history, report]
    deciding = [row.verdict for row in whole if row.decides]
    return environment(templates).get_template("night.html").render(
        report=report,
        parts=report.parts.named(),
        headlines=fragments(report, is_headline=True),
        fragments=fragments(report, is_headline=False),
        verdict=verdict_of(report),
        own=[row for row in whole if not is_recorded(row.kind)],
        recorded=[row for row in whole if is_recorded(row.kind)],
        whole=whole,
        deciding=[(word, deciding.count(word)) for word in VERDICT_MARKS if word in deciding],
        is_addressed=address(report) is not None,
        axis=axis(whole),
        trends=trends(nights, whole),
        changed=version_marks(nights)[-1],
        moved=moved(report),
        provisional_until=provisional_until,
        ending_pins=ending_pins(report, run),
        data_docs=data_docs(report),
        listing=accounting.list_files(report[accounting.SECTION].files),
    )  # fmt: skip


def fragments(report: Report, *, is_headline: bool) -> list[str]:
    """The templates of the sections the page shows, above its summary or below."""
    return [
        f"sections/{one.name}.html"
        for one in sections.SECTIONS
        if one.has_fragment
        and one.is_headline is is_headline
        and (one.shown_if_refused or not report.is_refused)
    ]


def axis(rows: Sequence[Result]) -> Scale:
    """The scale on which the night's rates are drawn."""
    marks = (
        (row.low, row.high, row.target, row.estimate_low, row.estimate_high,
         row.baseline.rate if row.baseline else None)
        for row in rows
    )  # fmt: skip
    return scale(itertools.chain.from_iterable(marks), 240)


def trends(nights: Sequence[Report], rows: Sequence[Result]) -> dict[tuple[str, str], Trend]:
    """The small chart of each row over the nights, all on one scale."""
    found = {key: series(nights, key) for key in dict.fromkeys(row.key for row in rows)}
    bounds = [v for points in found.values() for p in points for v in (p.rate, p.low, p.high)]
    span = scale(bounds, 34)
    return {
        key: trend(points, (132, 34), span.low, span.high, None) for key, points in found.items()
    }


def ending_pins(report: Report, run: Mapping[str, Any]) -> list[Any]:
    """The pins about to expire that this night's evaluators ask."""
    asked = {row.model for row in report[provenance.SECTION].evaluators}
    return [pin for pin in run.get("pins", ()) if pin["model"] in asked]


def data_docs(report: Report) -> str:
    """Where the Data Docs of the night lie, relative to its page."""
    name = quote(report.app, safe="", errors="replace")
    return f"../../../../data_docs/{report.date.isoformat()}/{name}.html"


def moved(report: Report) -> list[Moved]:
    """What is under "What changed": each slipped or caused change with its causes."""
    by_key: dict[tuple[str, str], list[Cause]] = defaultdict(list)
    for cause in report[causes.SECTION]:
        by_key[cause.key].append(cause)
    whole = {row.key: row for row in report[changes.SECTION] if row.slice == "all"}
    slipped = [key for key, row in whole.items() if row.verdict == "slipped"]
    keys = dict.fromkeys([*slipped, *by_key])
    return [Moved(key[0], whole.get(key), by_key.get(key, [])) for key in keys]
