"""The page of a night's topics: what users asked about, and which requests were not met.

Selects from the report, and shows requests of each topic; computes no figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evals.reports.pages.environment import load_environment
from evals.reports.pages.texts import CutText, cut_text
from evals.reports.pages.trace_links import HasPage
from evals.reports.phrases import format_day, format_percent, indent_json
from evals.reports.report import Report
from evals.reports.sections import topics, unmet
from evals.reports.sections.topics import TopicSize
from evals.reports.sections.unmet import UnmetTopic
from evals.reports.topic_examples import TopicRequest
from evals.storage.answer_pages import TOPICS, TRACES, name_trace_page
from evals.storage.report_files import PAGE, REDACTION_MARKS

EXCERPT = 600


class Shown(NamedTuple):
    """A request of a topic, to read."""

    kinds: Sequence[str]
    """In which ways it was not met; empty where it was, or where nobody looked."""
    trace_id: str
    page: str
    """The file name of its trace's page."""
    href: str | None
    asked: CutText
    answered: CutText


class Topic(NamedTuple):
    """A topic with its requests to read."""

    name: str
    size: TopicSize | None
    """None where a night has no topics."""
    unmet: UnmetTopic | None
    """None where all its requests were met."""
    requests: Sequence[Shown]
    unmet_requests: Sequence[Shown]


class Beside(NamedTuple):
    """The page of another night's topics."""

    word: str
    """`previous` or `next`."""
    day: str
    href: str


def locate_topics(report: Report) -> str:
    """Returns the path of a night's page of topics below the board."""
    return f"{report.date.isoformat()}/{report.app}/{TOPICS}/{PAGE}"


def render_topics(
    report: Report,
    requests: Mapping[str, Sequence[TopicRequest]],
    has_page: HasPage,
    beside: Sequence[Beside] = (),
) -> str:
    """Renders the page of a night's topics.

    Args:
        report: the night's.
        requests: of each topic some, to read.
        has_page: whether the page of a trace exists.
        beside: the nights before and after that have such a page.
    """
    return load_environment().get_template("topics.html").render(
        report=report,
        sentence=describe_topics(report),
        of=report[topics.SECTION],
        missed=report[unmet.SECTION],
        topics=list_topics(report, requests, has_page),
        beside=beside,
    )  # fmt: skip


def describe_topics(report: Report) -> str:
    """Describes how many requests were not met, and in which topic most of them are."""
    missed, sizes = report[unmet.SECTION], report[topics.SECTION]
    at = format_day(report.date, "plain")
    total = missed.n or sizes.n
    if not total:
        return f"The requests of {at} were not sorted into topics."
    new = [one.topic for one in sizes.topics if one.is_new]
    tail = f"; new: {new[0]}" if new else ""
    if not missed.unmet:
        return f"All {total:,} requests of {at} were met, as far as the answers show{tail}."
    verb = "was" if missed.unmet == 1 else "were"
    share = format_percent(missed.share, missed.low, missed.high)
    most = missed.topics[0].topic if missed.topics else ""
    name = "none of the topics" if most == "other" else most
    where = f", most of them in {name}" if most and missed.unmet > 1 else ""
    return f"{missed.unmet:,} of {total:,} requests of {at} {verb} not met ({share}){where}{tail}."


def list_topics(
    report: Report, requests: Mapping[str, Sequence[TopicRequest]], has_page: HasPage
) -> list[Topic]:
    """Lists the topics, those with most unmet requests first, then by size."""
    sizes = {one.topic: one for one in report[topics.SECTION].topics}
    missed = {one.topic: one for one in report[unmet.SECTION].topics}
    folder = f"{report.date.isoformat()}/{report.app}"

    def show(trace_id: str, kinds: Sequence[str], asked: str, answered: str) -> Shown:
        page = name_trace_page(trace_id)
        is_open = trace_id not in REDACTION_MARKS and has_page(f"{folder}/{TRACES}/{page}")
        cut = (cut_text(str(indent_json(text)), EXCERPT) for text in (asked, answered))
        return Shown(kinds, trace_id, page, f"../{TRACES}/{page}" if is_open else None, *cut)

    return [
        Topic(
            name,
            sizes.get(name),
            missed.get(name),
            [
                show(one.trace_id, (), one.asked, one.answered)
                for one in requests.get(name, ())
                if one.trace_id not in {e.trace_id for e in examples}
            ],
            [show(one.trace_id, one.kinds, one.input, one.output) for one in examples],
        )
        for name in dict.fromkeys([*missed, *sizes])
        for examples in [missed[name].examples if name in missed else ()]
    ]
