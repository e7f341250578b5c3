"""Promises of the sections of topics and unmet requests: figures, words, forgotten texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from evals.reports.pages.night import render_night
from evals.reports.pages.topics import render_topics
from evals.reports.pages.trace_links import lack_page
from evals.reports.redact_text import redact_requests
from evals.reports.sections import topics, unmet
from tests.evals.reports.chat_nights import BASE
from tests.evals.reports.night_rows import report_of
from tests.evals.reports.page_text import read_heading

NIGHT = BASE.date


def make_row(topic: str, n: int, back: int = 0, **counts: Any) -> dict[str, Any]:
    """A row of `rpt_topics`, each request in a session of its own."""
    unmet_requests = sum(value for key, value in counts.items() if key in unmet.KINDS)
    zeros: dict[str, Any] = dict.fromkeys(unmet.KINDS, 0)
    return {
        "date": NIGHT - timedelta(days=back),
        "app": BASE.app.app,
        "is_whole": topic == "all",
        "topic": topic,
        "topic_id": None if topic in ("all", "other") else "1.1",
        "topic_since": None,
        "topic_models": 1,
        "topic_gap": None,
        "n": n,
        "unmet": unmet_requests,
        "sessions": n,
        "session_ss": unmet_requests * (1 - unmet_requests / n),
        "session_squares": float(n),
        **zeros,
        **counts,
    }


ROWS = [
    make_row("all", 100, 1, refused=5),
    make_row("refund, money", 60, 1, refused=5),
    make_row("other", 40, 1),
    make_row("all", 200, refused=44, repeated=2),
    make_row("refund, money", 80, refused=40),
    make_row("winter, <tariff>", 50, refused=4, repeated=2, topic_since=NIGHT),
    make_row("other", 70),
]
UNMET = [
    {
        "topic": "refund, money",
        "trace_id": "r-1",
        "kinds": ("refused",),
        "input": "Where is <b>my</b> money?",
        "output": "I cannot help with that.",
    }
]


def test_topics_are_shown_by_size_and_change() -> None:
    """The largest first and `other` last, each beside its nights; a new one is marked."""
    report = report_of(replace(BASE, topics=ROWS, unmet=UNMET))
    part = report[topics.SECTION]
    assert [row.topic for row in part.topics] == ["refund, money", "winter, <tariff>", "other"]
    assert [(row.is_new, row.since) for row in part.topics][1] == (True, NIGHT)
    refund = part.topics[0]
    assert (refund.share, refund.change) == (0.4, -0.2)
    assert refund.change_low is not None
    assert refund.change_low < -0.2 < (refund.change_high or 0)
    assert [night.n for night in refund.nights] == [60, 80]
    html = render_night(report, history=[])
    assert "winter, &lt;tariff&gt;" in html
    assert "New since" in html


def test_unmet_requests_have_rate_interval_kinds_and_examples() -> None:
    """The topic with most of them first, against its own nights before."""
    report = report_of(replace(BASE, topics=ROWS, unmet=UNMET))
    part = report[unmet.SECTION]
    assert (part.n, part.unmet, part.share) == (200, 46, 0.23)
    assert (part.low or 1) < 0.23 < (part.high or 0)
    assert [(kind.kind, kind.n) for kind in part.kinds] == [("refused", 44), ("repeated", 2)]
    first, second = part.topics
    assert (first.topic, first.share, first.change) == ("refund, money", 0.5, 0.41666667)
    assert (second.change, second.examples) == (None, ())
    html = render_night(report, history=[])
    assert "46 of 200 requests were not met" in html
    page = render_topics(report, {}, lack_page)
    assert read_heading(page) == (
        "46 of 200 requests of 8 October 2026 were not met (23%), most of them in refund, money; "
        "new: winter, <tariff>."
    )
    assert "Where is &lt;b&gt;my&lt;/b&gt; money?" in page


def test_a_night_without_topics_explains_why() -> None:
    """And counts what was not met all the same."""
    rows = [
        make_row("all", 9, refused=1, topic_models=0, topic_gap="few"),
        make_row("", 9, refused=1, topic_models=0, topic_gap="few"),
    ]
    report = report_of(replace(BASE, topics=rows, unmet=[{**UNMET[0], "topic": ""}]))
    assert report[topics.SECTION].gap == "few"
    assert len(report[unmet.SECTION].topics[0].examples) == 1
    assert "50 different requests" in render_night(report, history=[])


def test_a_night_described_by_an_older_version_has_no_figures() -> None:
    """No row is no topic and no rate, not a rate of zero."""
    report = report_of(replace(BASE, topics=[], unmet=[]))
    assert report[topics.SECTION] == topics.Topics()
    assert report[unmet.SECTION].share is None
    assert "Unmet requests" not in render_night(report, history=[])


def test_a_forgotten_request_leaves_the_report() -> None:
    """Its texts and its id go; figures stay."""
    part = report_of(replace(BASE, topics=ROWS, unmet=UNMET))[unmet.SECTION]
    left = redact_requests(part, lambda row: row.trace_id == "r-1", "[forgotten]")
    (example,) = left.topics[0].examples
    assert {example.trace_id, example.input, example.output} == {"[forgotten]"}
    assert left.unmet == part.unmet
    assert redact_requests(part, lambda row: False, "[forgotten]") == part
