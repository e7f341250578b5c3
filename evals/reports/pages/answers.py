"""The lists of a night's failing answers: by dimension, and by slice of a dimension.

Static pages, so that they need no script; the page of a single trace is `traces`'.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from evals.evaluators.registry import is_recorded
from evals.records import Trace, digest
from evals.reports.failing_answers import FailingNight, Given, list_failed
from evals.reports.pages.environment import load_environment
from evals.reports.pages.texts import cut_text
from evals.reports.report import Report
from evals.reports.sections import results
from evals.storage.answer_pages import LISTS, TRACES, name_trace_page
from evals.storage.report_files import PAGE

ON_A_PAGE = 100
"""Answers in one list, at most."""
ON_FIRST = 200
"""Labelled answers that the first page links."""
CHARS = 500_000
"""Characters of markup in one list, at most."""
SLICE_LINKS = 24
"""Slices that a list links; the first page has them all."""
EXCERPT = 600
"""Characters of a text in a list; the trace's page has all."""

PLAIN = re.compile(r"[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*", re.ASCII)


class Listed(NamedTuple):
    """A failing answer as lists show it."""

    trace_id: str
    dimension: str
    markup: Markup
    slices: Sequence[str]


class Choice(NamedTuple):
    """A list that a page links."""

    name: str
    n: int
    href: str
    """Empty for a dimension that no answer failed."""


class Cover(NamedTuple):
    """A dimension on the first page, with its slices."""

    choice: Choice
    question: str
    scored: int | None
    """Answers with a verdict; None where several evaluators gave them."""
    slices: Sequence[Choice]


def locate_lists(report: Report) -> str:
    """Returns the path of the first list of a night's failing answers below the board."""
    return f"{report.date.isoformat()}/{report.app}/{LISTS}/{PAGE}"


def name_list(dimension: str, part: str | None = None, page: int = 1) -> str:
    """Returns the file name of a list; a hash where a name is not plain."""
    is_plain = len(dimension) <= 64 and PLAIN.fullmatch(dimension)
    name = dimension if is_plain else digest(dimension)
    return f"{name}--{digest(part, 12)}-{page}.html" if part else f"{name}-{page}.html"


def build_listed(trace: Trace, failing: FailingNight) -> Iterator[Listed]:
    """Builds the entries of a trace, one for each dimension that it fails."""
    given = failing.given[trace.trace_id]
    failed = list_failed(given)
    slices = failing.slices.get(trace.trace_id, ())
    template = load_environment().get_template("listed_answer.html")
    for dimension in failed:
        rows = [row for row in given if row.dimension == dimension and row.verdict == "fail"]
        markup = template.render(
            trace=trace,
            href=f"../{TRACES}/{name_trace_page(trace.trace_id)}",
            asked=cut_text(join_lines(trace.input), EXCERPT),
            answered=cut_text(join_lines(trace.output), EXCERPT),
            words=list_words(rows),
            also=[other for other in failed if other != dimension],
            slices=slices[:12],
        )
        yield Listed(trace.trace_id, dimension, Markup(markup), slices)  # noqa: S704  escaped


def join_lines(text: str) -> str:
    """Returns JSON on one line; any other text with its lines."""
    is_json = text.lstrip()[:1] in ("{", "[")
    return " ".join(text[: 4 * EXCERPT].split()) + text[4 * EXCERPT :] if is_json else text


def list_words(rows: Sequence[Given]) -> list[tuple[str, str]]:
    """Returns what evaluators wrote, each with its name."""
    return [(row.evaluator, cut_text(row.explanation or "", EXCERPT).text) for row in rows]


def render_lists(
    report: Report, failing: FailingNight, listed: Sequence[Listed]
) -> Iterator[tuple[str, str]]:
    """Yields each list of a night, by its name below the night's folder.

    Args:
        report: the report that the lists belong to.
        failing: the failing answers.
        listed: their entries, in any order; an answer without one was deleted.
    """
    places = {trace: place for place, trace in enumerate(failing.traces)}
    by_dimension: dict[str, list[Listed]] = {
        row.dimension: [] for row in report[results.SECTION] if row.is_whole
    }
    for entry in sorted(listed, key=lambda entry: places[entry.trace_id]):
        by_dimension.setdefault(entry.dimension, []).append(entry)
    covers = [build_cover(report, name, entries) for name, entries in by_dimension.items()]
    covers.sort(key=lambda cover: -cover.choice.n)
    yield f"{LISTS}/{PAGE}", render_cover(report, failing, covers, len({e[0] for e in listed}))
    for cover in covers:
        if not cover.choice.href:
            continue
        entries = by_dimension[cover.choice.name]
        yield from render_pages(report, covers, cover, None, entries)
        for part in cover.slices:
            own = [entry for entry in entries if part.name in entry.slices][:ON_A_PAGE]
            yield from render_pages(report, covers, cover, part, own)


def build_cover(report: Report, dimension: str, entries: Sequence[Listed]) -> Cover:
    """Counts the failing answers of a dimension in each slice; leaves out slices with all."""
    rows = [row for row in report[results.SECTION] if row.is_whole and row.dimension == dimension]
    own = [row for row in rows if not is_recorded(row.kind)] or rows
    has_list = entries or any(row.failed for row in rows)
    counts = Counter(name for entry in entries for name in entry.slices)
    slices = [
        Choice(name, n, name_list(dimension, name))
        for name, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if n < len(entries)
    ]
    return Cover(
        Choice(dimension, len(entries), name_list(dimension) if has_list else ""),
        own[0].question if own else "",
        own[0].passed + own[0].failed if len(rows) == 1 else None,
        slices,
    )


def render_cover(report: Report, failing: FailingNight, covers: Sequence[Cover], shown: int) -> str:
    """Renders the first page: every dimension with its slices."""
    return (
        load_environment()
        .get_template("failing.html")
        .render(
            report=report,
            covers=covers,
            shown=shown,
            deleted=len(failing.traces) - shown,
            labelled=list_labelled(failing),
        )
    )


def list_labelled(failing: FailingNight) -> list[tuple[str, str]]:
    """Lists the answers that people labelled and that failed nothing, each with its page."""
    names = sorted(set(failing.labels).difference(failing.traces))
    return [(name, f"../{TRACES}/{name_trace_page(name)}") for name in names[:ON_FIRST]]


def render_pages(
    report: Report,
    covers: Sequence[Cover],
    cover: Cover,
    part: Choice | None,
    entries: Sequence[Listed],
) -> Iterator[tuple[str, str]]:
    """Yields the pages of one list."""
    name = part.name if part else None
    pages = split_pages(entries)
    template = load_environment().get_template("failing_list.html")
    for number, own in enumerate(pages, 1):
        html = template.render(
            report=report,
            covers=covers,
            cover=cover,
            part=part,
            entries=own,
            number=number,
            pages=[name_list(cover.choice.name, name, n + 1) for n in range(len(pages))],
            first=sum(map(len, pages[: number - 1])) + 1,
            slice_links=cover.slices[:SLICE_LINKS],
        )
        yield f"{LISTS}/{name_list(cover.choice.name, name, number)}", html


def split_pages(entries: Sequence[Listed]) -> list[list[Listed]]:
    """Splits a list by the number of answers on a page and by its size; one page at least."""
    pages: list[list[Listed]] = [[]]
    size = 0
    for entry in entries:
        size += len(entry.markup)
        if len(pages[-1]) == ON_A_PAGE or (pages[-1] and size > CHARS):
            pages.append([])
            size = len(entry.markup)
        pages[-1].append(entry)
    return pages
