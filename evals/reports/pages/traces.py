"""The page of a trace: its conversation, what each evaluator decided, and where it came from.

Which traces have one is `failing_answers`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evals.records import Label, Trace
from evals.reports.failing_answers import FailingNight, Given, list_failed
from evals.reports.pages.answers import name_list
from evals.reports.pages.environment import load_environment
from evals.reports.pages.natural_form import ALONE, SHORTEST, TEXT, Compared, build_natural_form
from evals.reports.pages.texts import CutText, cut_text, find_source_link
from evals.reports.report import Report
from evals.reports.similar_traces import EXCERPT, Similar
from evals.storage.answer_pages import TRACES, name_trace_page

LARGEST = 900_000
"""Bytes of a page, at most: of a trace that needs more, texts are cut."""


class Near(NamedTuple):
    """A trace like this one, with its page."""

    similar: Similar
    asked: CutText
    href: str


class Beside(NamedTuple):
    """The failing answers before and after one, in the order of the lists."""

    before: str | None
    after: str | None


def find_beside(failing: FailingNight) -> dict[str, Beside]:
    """Finds the pages before and after that of each failing answer."""
    names = [name_trace_page(trace) for trace in failing.traces]
    before, after = [None, *names][:-1], [*names, None][1:]
    rows = zip(failing.traces, before, after, strict=True)
    return {trace: Beside(*pages) for trace, *pages in rows}


def render_trace(
    trace: Trace,
    report: Report,
    failing: FailingNight,
    beside: Beside | None,
    similar: Sequence[Similar] = (),
    compared: Compared = ALONE,
) -> tuple[str, str]:
    """Renders the page of a trace; returns its name below the night's folder, and the page."""
    given = failing.given[trace.trace_id]
    labels = failing.labels.get(trace.trace_id, ())
    most = TEXT
    while True:
        page = render_cut(trace, report, given, labels, beside, similar, compared, most)
        if len(page.encode("utf-8", "replace")) <= LARGEST or most < SHORTEST:
            return f"{TRACES}/{name_trace_page(trace.trace_id)}", page
        most //= 4


def render_cut(
    trace: Trace,
    report: Report,
    given: Sequence[Given],
    labels: Sequence[Label],
    beside: Beside | None,
    similar: Sequence[Similar],
    compared: Compared,
    most: int,
) -> str:
    """Renders a trace's page with texts of a length."""
    failed = list_failed(given)
    words = [row.explanation for row in given if row.explanation]
    beside_it = compared._replace(words=words)
    form = build_natural_form([trace], beside_it, most=most, failed=bool(failed))
    return (
        load_environment()
        .get_template("trace.html")
        .render(
            trace=trace,
            report=report,
            failed=[(name, name_list(name)) for name in failed],
            given=[
                (row, cut_text(row.explanation or "", most))
                for row in sorted(given, key=lambda row: row.verdict != "fail")
            ],
            labels=[(label, cut_text(label.critique, most)) for label in labels],
            form=form,
            near=[
                Near(one, cut_text(one.asked, EXCERPT), name_trace_page(one.trace_id))
                for one in similar
            ],
            origin=list_origin(trace),
            source=find_source_link(trace.metadata),
            beside=beside,
        )
    )


def list_origin(trace: Trace) -> list[tuple[str, str]]:
    """Lists what made a trace and where it was read, each with its name; leaves out the unknown."""
    model = trace.model or trace.model_requested
    latency = f"{trace.latency_ms / 1000:.1f} s" if trace.latency_ms is not None else None
    rows = [
        ("Trace", trace.trace_id),
        ("Time", f"{trace.ts:%Y-%m-%d %H:%M:%S} UTC"),
        ("Model", model),
        ("Prompt", " ".join(filter(None, (trace.prompt_name, trace.prompt_version)))),
        ("Commit", trace.git_commit),
        *((name, str(value)) for name, value in sorted(trace.versions.items())),
        ("Session", trace.session_id),
        ("Turn", str(trace.turn) if trace.turn else None),
        ("Took", latency),
        ("Read from", f"{trace.source_file}, line {trace.source_line}"),
        ("Tags", ", ".join(map(str, trace.tags))),
    ]
    return [(name, cut_text(value, 2000).text) for name, value in rows if value]
