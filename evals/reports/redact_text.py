"""Reports that keep their figures and lose the text of some traces: forgotten, or too old.

The one exception to a report never being rewritten; its version's name stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from evals.reports import json_form
from evals.reports.archive import earlier_reports
from evals.reports.report import Report
from evals.reports.sections import examples
from evals.reports.sections.examples import Example
from evals.storage.lake import Lake
from evals.storage.report_files import list_reports, redact_report

FIGURES = ("dimension", "evaluator", "verdict", "ts", "source_line")
"""What stays of an example."""


def redact_reports(lake: Lake, is_gone: Callable[[Example], bool], mark: str) -> list[Path]:
    """Removes the text of some examples from every report, and renders those pages anew.

    Args:
        lake: where the reports are.
        is_gone: whether an example has to go.
        mark: what replaces its text.

    Returns:
        The folders of the reports that changed.
    """
    changed = list[Path]()
    for one in list_reports(lake):
        body = lake.report(*one) or {}
        report = Report.from_json(body)
        known = report[examples.SECTION]
        kept = tuple(redact_example(row, mark) if is_gone(row) else row for row in known)
        if kept != known:
            html = render(lake, report.having(examples.SECTION, kept))
            redacted = {**body, examples.SECTION.name: json_form.to_json(kept)}
            redact_report(lake, one, redacted, html)
            changed.append(lake.report_folder(one.night, one.app) / one.version)
    return changed


def render(lake: Lake, report: Report) -> str:
    """The page of a report."""
    from evals.reports.pages.night import render_night

    return render_night(report, history=earlier_reports(lake, report.app, report.date))


def redact_example(example: Example, mark: str) -> Example:
    """An example without its words, its steps and its ids."""
    values = {one.name: getattr(example, one.name) for one in fields(example)}
    gone = {key: redact(value, mark) for key, value in values.items() if key not in FIGURES}
    return replace(example, **gone)


def redact(value: Any, mark: str) -> Any:
    """The mark for a text, nothing for a list, and null stays null."""
    if isinstance(value, str):
        return mark if value else value
    return () if isinstance(value, tuple) else None if value is None else value
