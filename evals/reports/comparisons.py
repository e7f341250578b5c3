"""What the answers of a night are shown beside: right answers, and how the prompt before answered.

How that looks is in `pages.natural_form`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from evals.records import GoldValue, Trace
from evals.reports.pages.natural_form import Compared
from evals.reports.previous_answers import find_previous
from evals.reports.report import Report
from evals.reports.right_answers import RightAnswers
from evals.specs import Catalog
from evals.specs.review_templates import ReviewTemplate, read_review_template
from evals.storage.label_records import read_gold_values
from evals.storage.lake import Lake


class Comparisons(NamedTuple):
    """What the answers of an application's night are shown beside."""

    previous: Mapping[str, Trace]
    imported: Mapping[str, Sequence[GoldValue]]
    """Right answers that were imported, by trace."""
    right: RightAnswers | None
    """Those of the catalog; None without one."""
    template: ReviewTemplate | None

    def find(self, trace: Trace) -> Compared:
        """Finds what an answer is shown beside."""
        imported = self.imported.get(trace.trace_id, ())
        gold = self.right.find(trace, imported) if self.right else imported
        return Compared(gold, self.previous.get(trace.trace_id), self.template)


def read_comparisons(
    lake: Lake, catalog: Catalog | None, report: Report, traces: Collection[str]
) -> Comparisons:
    """Reads what some answers of a report's night are shown beside.

    Args:
        lake: has the traces and the imported right answers.
        catalog: has gold sets and the application's template; None: without them.
        report: the report whose night it is.
        traces: the traces that have a page.
    """
    imported: dict[str, list[GoldValue]] = {}
    for value in read_gold_values(lake):
        if value.subject_id in traces and value.subject == "trace":
            imported.setdefault(value.subject_id, []).append(value)
    return Comparisons(
        previous=find_previous(lake, report.date, report.app, traces),
        imported=imported,
        right=RightAnswers(lake, catalog) if catalog else None,
        template=read_review_template(catalog.root, catalog.apps.get(report.app))
        if catalog
        else None,
    )
