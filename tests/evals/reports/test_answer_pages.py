"""Promises of the lists of failing answers and of the page of a trace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.records import Label, Trace
from evals.reports.failing_answers import FailingNight, Given
from evals.reports.pages import answers, traces
from evals.reports.pages.texts import cut_text, find_source_link
from evals.storage import answer_pages
from evals.storage.lake import Lake
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page, follow_links, read_heading

REPORT = bodies.typed(bodies.slipped())
NIGHT = REPORT.date


def build_trace(trace_id: str = "t-1", **more: Any) -> Trace:
    """A trace of the shop."""
    values = {"output": "49", "input": "What does the kettle cost?", "source_file": "a.jsonl"}
    at = datetime(2026, 10, 8, 9, tzinfo=UTC)
    return Trace(trace_id=trace_id, ts=at, app="shop", **{**values, **more})


def give(trace_id: str, dimension: str = "price", verdict: str | None = "fail") -> Given:
    """What an evaluator gave for a trace."""
    words = "It took the old price."
    return Given(
        trace_id, dimension, f"shop.{dimension}", "assertion", "scored", verdict, None, words, None
    )


def build_night(given: Sequence[Given], **more: Any) -> FailingNight:
    """A night in which these verdicts were given."""
    by_trace: dict[str, list[Given]] = {}
    for row in given:
        by_trace.setdefault(row.trace_id, []).append(row)
    failing = [trace for trace, rows in by_trace.items() if any(r.verdict == "fail" for r in rows)]
    rest: dict[str, Any] = {"slices": {}, "labels": {}} | more
    return FailingNight(NIGHT, "shop", failing, by_trace, **rest)


def render_pages(night: FailingNight, shown: Mapping[str, Trace]) -> dict[str, str]:
    """Every page of a night's answers, by name."""
    listed = [entry for trace in shown.values() for entry in answers.build_listed(trace, night)]
    beside = traces.find_beside(night)
    pages = dict(answers.render_lists(REPORT, night, listed))
    for trace in shown.values():
        name, page = traces.render_trace(trace, REPORT, night, beside.get(trace.trace_id))
        pages[name] = page
    return pages


def render_one(trace: Trace, **more: Any) -> str:
    """The page of a trace that fails the price."""
    night = build_night([give(trace.trace_id)], **more)
    return traces.render_trace(trace, REPORT, night, None)[1]


def test_every_failing_answer_is_reached_by_links(tmp_path: Path) -> None:
    """From the night's first list links lead to all of 250 answers, a hundred to a page."""
    ids = [f"t-{n}" for n in range(250)]
    given = [give(one) for one in ids] + [give(one, "tone") for one in ids[:7]]
    slices = {one: ["source=web"] if n % 2 else ["source=api"] for n, one in enumerate(ids)}
    night = build_night(given, slices=slices)
    lake = Lake(tmp_path / "home").open()
    pages = render_pages(night, {one: build_trace(one) for one in ids})
    answer_pages.write_answer_pages(lake, NIGHT, "shop", iter(pages.items()))
    folder = tmp_path / "home" / "reports" / NIGHT.isoformat() / "shop"
    crawl = follow_links(folder / "failing" / "index.html")
    own = {path for path in crawl.reached if path.is_relative_to(folder)}
    assert {path.name for path in own if path.parent.name == "traces"} == {
        answer_pages.name_trace_page(one) for one in ids
    }
    assert {path.relative_to(folder).as_posix() for path in own} == set(pages)
    assert {Path(link.split(": ")[0]).parent.parent for link in crawl.broken} == {folder}
    sizes = [page.count('class="answer"') for name, page in pages.items() if "price-" in name]
    assert sorted(sizes)[-3:] == [100, 100, 100]
    assert read_heading(pages["failing/tone-1.html"]) == "7 of 58 answers failed tone."


def test_a_list_can_be_filtered_by_slice() -> None:
    """The list of a slice has its answers alone, and a slice with every answer has no list."""
    night = build_night(
        [give("a"), give("b"), give("c")],
        slices={"a": ["all-of-us", "refund"], "b": ["all-of-us"], "c": ["all-of-us", "refund"]},
    )
    pages = render_pages(night, {one: build_trace(one) for one in "abc"})
    page = pages[f"failing/{answers.name_list('price', 'refund')}"]
    assert read_heading(page) == "2 of 3 answers that failed price: refund."
    assert page.count('class="answer"') == 2
    assert f"failing/{answers.name_list('price', 'all-of-us')}" not in pages


@pytest.mark.parametrize("name", ["../../etc/passwd", "Price", "a b", "x--y", "p" * 300, "größe"])
def test_a_dimension_with_any_name_has_a_plain_file(name: str) -> None:
    """A list's file is named after its dimension only where that is a plain lower-case name."""
    assert re.fullmatch(r"[0-9a-f]{16}-1\.html", answers.name_list(name))


def test_texts_of_a_trace_are_shown_not_obeyed() -> None:
    """Every text of a trace is escaped on its page and in the lists, and names no file."""
    bad = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">'
    trace = build_trace(
        f"../{bad}", input=bad, output=bad, context=bad, session_id=bad, model=bad,
        messages=({"role": bad, "content": [{"text": bad}]}, {"content": {"a": bad}}, bad),
        steps=({"kind": bad, "name": bad, "documents": [{"id": bad, "content": bad}]}, bad),
        metadata={"url": "javascript:alert(1)"}, versions={bad: bad}, tags=(bad,),
    )  # fmt: skip
    label = Label(trace.trace_id, bad, bad, bad, "human", critique=bad)
    night = build_night(
        [give(trace.trace_id)._replace(explanation=bad, evaluator=bad)],
        slices={trace.trace_id: [bad]},
        labels={trace.trace_id: (label,)},
    )
    pages = render_pages(night, {trace.trace_id: trace})
    for name, html in pages.items():
        page = Page(html)
        assert page.open == []
        assert not {tag for tag, _ in page.tags} & {"script", "img"}
        assert not [link for link in page.links if "script" in link]
        assert re.fullmatch(r"(failing|traces)/[a-z0-9-]+\.html", name)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("https://langfuse.example.com/project/1/traces/2", "langfuse.example.com"),
        ("http://10.0.0.7:3000/t?x=1#y", "10.0.0.7"),
        ("javascript:alert(1)", None),
        ("data:text/html,<script>", None),
        ("https://user:secret@example.com/", None),
        ("https://example.com\\@evil.example/", None),
        ("https://exa mple.com/", None),
        ("https://[broken/", None),
        ("//example.com/", None),
        ("https://" + "a" * 3000, None),
        (7, None),
    ],
)
def test_a_trace_links_its_source_by_http_alone(value: object, host: str | None) -> None:
    """The link back to the system a trace came from is of the web, without a password."""
    link = find_source_link({"trace_url": value, "image_url": "https://example.com/a.png"})
    assert (link.host if link else None) == host


def test_a_page_shows_all_that_is_recorded_of_its_trace() -> None:
    """Conversation, steps, passages, verdicts, labels, commit, file and line are on it."""
    trace = build_trace(
        git_commit="abc123", prompt_name="shop", prompt_version="v3", model="small-1",
        source_line=12, messages=({"role": "system", "content": "Be brief."},
                                  {"role": "user", "content": "What does the kettle cost?"}),
        steps=({"kind": "retriever", "name": "search", "latency_ms": 41,
                "documents": [{"id": "doc-9", "content": "Now €39.90", "score": 0.81}]},),
        metadata={"html_url": "https://traces.example.com/t-1"},
    )  # fmt: skip
    label = Label("t-1", "price", "fail", "ann", "human", critique="The old one.")
    page = Page(render_one(trace, labels={"t-1": (label,)}))
    for words in (
        "This answer failed price .", "Be brief.", "What does the kettle cost?", "Now €39.90",
        "doc-9 , score 0.81", "retriever search , 41 ms", "It took the old price.", "The old one.",
        "abc123", "shop v3", "small-1", "a.jsonl, line 12", "Open it in traces.example.com",
    ):  # fmt: skip
        assert words.replace(" ", "") in page.words.replace(" ", ""), words


@pytest.mark.parametrize("text", ["x" * 3_000_000, '"' * 2_000_000, "\u202e" * 500_000])
def test_a_page_of_a_huge_trace_has_less_than_a_megabyte(text: str) -> None:
    """Texts are cut, and the page counts what is left out and where it is."""
    steps = tuple({"kind": "tool", "output": text[:100_000]} for _ in range(80))
    page = render_one(build_trace(input=text, output=text, context=text, steps=steps))
    assert len(page.encode()) < 1_000_000
    assert "more characters are in the table" in page
    listed = list(answers.build_listed(build_trace("t", output=text), build_night([give("t")])))
    assert len(listed[0].markup) < 10_000


def test_a_cut_text_keeps_its_beginning() -> None:
    """What is left out is counted, and no escape of a hidden character is torn."""
    assert cut_text("abc", 3) == ("abc", 0)
    assert cut_text("abcdef", 4) == ("abcd", 2)
    kept = cut_text("ab\u202e" * 9, 20)
    assert kept.text == "ab‹U+202E›ab‹U+202E›"
    assert kept.left_out > 0


def test_pages_that_did_not_change_are_left_and_others_go(tmp_path: Path) -> None:
    """Written again, a page keeps its file; one that is not leaves a link to the list."""
    lake = Lake(tmp_path).open()
    first = {"failing/index.html": "a", "traces/1.html": "b", "traces/2.html": "c"}
    answer_pages.write_answer_pages(lake, NIGHT, "shop", first.items())
    folder = tmp_path / "reports" / NIGHT.isoformat() / "shop"
    before = (folder / "traces" / "1.html").stat().st_ino
    answer_pages.write_answer_pages(
        lake, NIGHT, "shop", {"failing/index.html": "d", "traces/1.html": "b"}.items()
    )
    assert (folder / "traces" / "1.html").stat().st_ino == before
    assert "../failing/index.html" in (folder / "traces" / "2.html").read_text()
    assert (folder / "failing" / "index.html").read_text() == "d"


def test_deleted_pages_are_listed_until_they_are_written(tmp_path: Path) -> None:
    """An erasure that dies after it deleted pages leaves a mark by which they are made again."""
    lake = Lake(tmp_path).open()
    name = answer_pages.name_trace_page("t-1")
    pages = {"failing/index.html": "a", "failing/price-1.html": "t-1", f"traces/{name}": "t-1"}
    answer_pages.write_answer_pages(lake, NIGHT, "shop", pages.items())
    assert answer_pages.list_about(lake, ["t-2"]) == []
    assert answer_pages.list_about(lake, ["t-1"]) == [(NIGHT, "shop")]
    answer_pages.empty_answer_pages(lake, NIGHT, "shop")
    assert [path.name for path in tmp_path.rglob("*.html")] == ["index.html"]
    assert answer_pages.list_emptied(lake) == [(NIGHT, "shop")]
    answer_pages.write_answer_pages(lake, NIGHT, "shop", pages.items())
    assert answer_pages.list_emptied(lake) == []
