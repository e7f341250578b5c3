"""Removes the text of some traces from reports: traces to forget, or too old ones.

Only here is a stored report rewritten; its figures and its version stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from evals.reports import json_form, night_pages
from evals.reports.report import Report
from evals.reports.sections import examples, slices, unmet
from evals.reports.sections.examples import Example
from evals.reports.sections.unmet import UnmetRequest, UnmetRequests
from evals.storage.lake import Lake
from evals.storage.report_files import (
    list_reports,
    locate_report_folder,
    read_body,
    redact_report,
    write_markdown,
)

Shown = Example | UnmetRequest

FIGURES = ("dimension", "evaluator", "verdict", "ts", "source_line", "status")
"""The fields of an example that stay."""


def redact_reports(lake: Lake, is_gone: Callable[[Shown], bool], mark: str) -> list[Path]:
    """Removes the text of some examples from every report, and renders them again.

    Args:
        lake: where the reports are.
        is_gone: whether an example has to go.
        mark: what replaces its text.

    Returns:
        The folders of the reports that changed.
    """
    from evals.reports.pages.night_markdown import render_markdown

    changed = list[Path]()
    for stored in list_reports(lake):
        body = read_body(lake, *stored) or {}
        report = Report.from_json(body)
        shown, sliced = report[examples.SECTION], report[slices.SECTION]
        requests = report[unmet.SECTION]
        replaced = redact_examples(shown, is_gone, mark)
        rows = tuple(
            replace(row, examples=redact_examples(row.examples, is_gone, mark)) for row in sliced
        )
        left = redact_requests(requests, is_gone, mark)
        if (replaced, rows, left) != (shown, sliced, requests):
            without = report.replace_part(examples.SECTION, replaced)
            without = without.replace_part(slices.SECTION, rows)
            without = without.replace_part(unmet.SECTION, left)
            html = night_pages.render_stored(lake, without)
            write_markdown(lake, *stored, render_markdown(without))
            parts = {examples.SECTION.name: replaced, slices.SECTION.name: rows}
            redacted = {**body, **{name: json_form.to_json(part) for name, part in parts.items()}}
            if left != requests:  # a report of before has no such section
                redacted[unmet.SECTION.name] = json_form.to_json(left)
            redact_report(lake, stored, redacted, html)
            changed.append(locate_report_folder(lake, stored.night, stored.app) / stored.version)
    return changed


def redact_examples(
    shown: tuple[Example, ...], is_gone: Callable[[Shown], bool], mark: str
) -> tuple[Example, ...]:
    """Returns examples, those that have to go without their text."""
    return tuple(redact_example(row, mark) if is_gone(row) else row for row in shown)


def redact_requests(
    requests: UnmetRequests, is_gone: Callable[[Shown], bool], mark: str
) -> UnmetRequests:
    """Returns unmet requests without the texts and ids of those that have to go."""
    topics = (
        replace(
            topic,
            examples=tuple(
                replace(row, trace_id=mark, input=mark, output=mark) if is_gone(row) else row
                for row in topic.examples
            ),
        )
        for topic in requests.topics
    )
    return replace(requests, topics=tuple(topics))


def redact_example(example: Example, mark: str) -> Example:
    """Returns an example without its texts, its steps and its ids."""
    values = {member.name: getattr(example, member.name) for member in fields(example)}
    gone = {key: redact_value(value, mark) for key, value in values.items() if key not in FIGURES}
    return replace(example, **gone)


def redact_value(value: object, mark: str) -> object:
    """Replaces a text by the mark and a list by an empty one; null stays null."""
    if isinstance(value, str):
        return mark if value else value
    return () if isinstance(value, tuple) else None if value is None else value
