"""Writes the pages beside the nights of an application: its incidents, evaluators and slices.

A board writes them from the newest reports; a night writes those that it links and that are
missing. What is on them is in `pages`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from evals.reports.alignment import Alignment, measure_alignment
from evals.reports.disagreements import Found, read_disagreements
from evals.reports.pages import evaluator, incident, slice
from evals.reports.pages.incident import Reported
from evals.reports.report import Report
from evals.reports.slice_rates import SliceNights, list_confirmed
from evals.storage.lake import Lake
from evals.storage.report_files import has_page, write_linked_page

Wanted = Callable[[str], bool]
"""Whether a page of a name below the board is to be written."""


def write_application_pages(lake: Lake, reports: Iterable[Report]) -> list[Reported]:
    """Writes the pages beside the nights of some reports; returns the incidents."""
    by_app = group_by_application(reports)
    write_all_evaluators(lake, by_app)
    shown: list[Reported] = []
    for own in by_app.values():
        shown += write_incidents(lake, own)
        write_slices(lake, own)
    return sorted(shown, key=lambda one: (not one.row.is_open, one.row.name))


def write_application_evaluators(lake: Lake, reports: Iterable[Report]) -> None:
    """Writes the pages of the evaluators of some reports."""
    write_all_evaluators(lake, group_by_application(reports))


def group_by_application(reports: Iterable[Report]) -> dict[str, list[Report]]:
    """Groups reports by application, oldest first."""
    by_app: dict[str, list[Report]] = defaultdict(list)
    for report in sorted(reports, key=lambda report: report.date):
        by_app[report.app].append(report)
    return by_app


def write_all_evaluators(lake: Lake, by_app: Mapping[str, Sequence[Report]]) -> None:
    """Writes the pages of the evaluators of some applications."""
    found = read_disagreements(lake, {one.date for own in by_app.values() for one in own})
    aligned = measure_alignment(lake, {app: own[-1] for app, own in by_app.items()})
    for own in by_app.values():
        write_evaluators(lake, own, found, aligned)


def write_missing_pages(lake: Lake, reports: Sequence[Report]) -> None:
    """Writes the pages that the last report links and that are missing.

    Args:
        lake: the home.
        reports: of one application, oldest first.
    """

    def is_missing(name: str) -> bool:
        return not has_page(lake, name)

    write_incidents(lake, reports, is_missing)
    write_evaluators(lake, reports, {}, is_wanted=is_missing)
    write_slices(lake, reports, is_missing)


def write_all(name: str) -> bool:
    """Wants every page."""
    del name
    return True


def write_incidents(
    lake: Lake, reports: Sequence[Report], is_wanted: Wanted = write_all
) -> list[Reported]:
    """Writes the pages of the incidents of an application's reports, oldest first."""
    found = list(incident.list_incidents(reports).values())
    for one in found:
        if (href := incident.locate_incident(one.row.name)) and is_wanted(href):
            page = incident.render_incident(one, reports, partial(has_page, lake))
            write_linked_page(lake, href, page)
    return found


def write_evaluators(
    lake: Lake,
    reports: Sequence[Report],
    found: Found,
    aligned: Sequence[Alignment] = (),
    is_wanted: Wanted = write_all,
) -> None:
    """Writes the pages of the evaluators of an application's reports, oldest first."""
    app = reports[-1].app
    for name, place in evaluator.list_evaluators(reports).items():
        if (href := evaluator.locate_evaluator(app, name)) and is_wanted(href):
            disagreements = found.get((app, name), ())
            page = evaluator.render_evaluator(
                name,
                reports[: place + 1],
                disagreements,
                partial(has_page, lake),
                [one for one in aligned if (one.app, one.evaluator) == (app, name)],
            )
            write_linked_page(lake, href, page)


def write_slices(lake: Lake, reports: Sequence[Report], is_wanted: Wanted = write_all) -> None:
    """Writes the pages of the slices of an application's reports, oldest first, and their list."""
    nights = SliceNights(reports)
    shown = slice.list_shown(nights, list_confirmed(reports))
    for one in shown:
        if is_wanted(one.href):
            page = slice.render_slice(one, nights, partial(has_page, lake))
            write_linked_page(lake, one.href, page)
    if (href := slice.locate_slices(reports[-1].app)) and is_wanted(href):
        write_linked_page(lake, href, slice.render_slices(shown, nights))
