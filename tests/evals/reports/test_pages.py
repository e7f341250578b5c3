"""Promises of the board and the night page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reports import phrases
from evals.reports.pages import charts, marks
from evals.reports.pages.night import render_night
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page, read_heading, render_bodies, render_body

ENDING = {"name": "m", "model": "m-1", "on": "2026-11-01", "words": "m-1 ends in 9 days"}
ALARM = {"code": "other-model", "evaluator": "j", "words": "m-2 answered", "n": 3}
STAMPED = {
    "name": "j", "version": "0" * 16, "kind": "judge", "model": "m-1",
    "pin": {"class": "unverifiable", "reason": "no date in it"},
    "answered_by": [{"model": "m-2", "fingerprint": "fp_1", "n": 3}],
}  # fmt: skip


ALL = {
    "slipped": lambda: render_body(bodies.slipped(), bodies.nights(13, last="2026-10-07")),
    "held": lambda: render_body(bodies.night()),
    "refused": lambda: render_body(bodies.refused()),
    "hostile": lambda: render_body(bodies.hostile()),
    "nothing": lambda: render_body(bodies.night(results=[])),
    "board": lambda: render_bodies(
        *bodies.nights(20, "a", drop=3),
        *bodies.nights(4, "b"),
        bodies.refused(app="c"),
        run={"calls": 3, "reused": 9, "usd": 0.2, "pins": [ENDING]},
    ),
    "empty board": lambda: render_bodies(),
    "hostile board": lambda: render_bodies(bodies.hostile()),
}


@pytest.mark.parametrize("name", ALL)
def test_page_requests_nothing(name: str) -> None:
    """A page is well nested, forbids every request, and has no script or outside reference."""
    page = Page(ALL[name]())
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "base", "object"}
    policy = [a["content"] or "" for t, a in page.tags if a.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'")
    for _, attrs in page.tags:
        assert not [key for key in attrs if key.startswith("on") or key in ("src", "srcset")]
        assert not re.match(r"(?i)[a-z]+:|//", attrs.get("href") or "")


@pytest.mark.parametrize("name", ALL)
def test_page_is_its_input(name: str) -> None:
    """The same report gives the same bytes, and they can be written as UTF-8."""
    assert ALL[name]().encode() == ALL[name]().encode()


@pytest.mark.parametrize("name", ["hostile", "hostile board"])
def test_trace_text_is_shown_not_obeyed(name: str) -> None:
    """Markup, template code, bidi overrides and control characters appear as what they are."""
    html = ALL[name]()
    page = Page(html)
    assert '<script>alert("x")</script>' in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "‹U+202E›" in page.text
    assert not phrases.UNSAFE.search(html)


def test_alarms_stamps_and_ends_of_models_are_on_both_pages() -> None:
    """A reader sees who answered, what is not pinned and what is about to go."""
    origin = {"evaluators": [STAMPED], "traces": {}, "baseline": []}
    body = bodies.night(provenance=origin, alarms=[ALARM])
    run = {"pins": [ENDING, {**ENDING, "model": "another", "words": "another ends"}]}
    page_html, board_html = (
        render_night(bodies.typed(body), history=[], run=run),
        render_bodies(body, run=run),
    )
    page, board = Page(page_html).words, Page(board_html).words
    for state, failing in (("fail", True), ("warn", False)):
        ends = {"pins": [{**ENDING, "state": state}]}
        both = (
            render_night(bodies.typed(body), history=[], run=ends),
            render_bodies(body, run=ends),
        )
        assert [('<li class="alarm"' in html) for html in both] == [failing] * 2, state
    for text in ("m-2 answered", "unverifiable: no date in it", "m-1 ends in 9 days"):
        assert text in page, text
    assert "3 answered by m-2, fp_1" in page
    assert "another ends" not in page
    for text in ("m-2 answered", "m-1 is unverifiable: no date in it", "m-1 ends in 9 days"):
        assert text in board, text
    quiet = Page(ALL["held"]()).words + Page(render_bodies(bodies.night())).words
    assert not {"Alarm", "expire"} & set(quiet.split())


def test_links_have_plain_names_only() -> None:
    """A night whose application is no plain name is on the board without a link."""
    safe, unsafe = bodies.night(), bodies.night(app="../../etc")
    address = f"2026-10-08/shop/{safe['version']}/index.html"
    assert Page(render_bodies(safe, unsafe)).links == [address]
    for key, value in (("app", "a\n"), ("version", "../../..")):
        assert marks.locate_page(bodies.typed(safe | {key: value})) is None


def test_first_screen_gives_the_reason() -> None:
    """The night's first line is its sentence, and the gate's outcome and the cause follow."""
    html = render_body(bodies.slipped())
    assert read_heading(html) == "Slipped: price 91% → 74% (−17 ± 6), prompt v3."
    words = Page(html).words
    order = ["What fell", "For whom", "Why", "Owner", "regressed", "What changed", "Dimensions"]
    places = [words.index(part) for part in order]
    assert places == sorted(places)
    assert "price 91% → 74% (−17 ± 6 points)" in words


def test_a_slice_that_does_worse_is_negative_as_a_change_is() -> None:
    """Every difference on a page has one sign: worse is negative."""
    words = Page(render_body(bodies.slipped())).words
    assert "source = partner feedprice44%31–59%74%all answers−3045" in words


def test_owner_is_on_both_pages() -> None:
    """Who answers for an application is on its night and on the board."""
    body = bodies.night(owner="team:shop-search")
    assert "owner team shop-search" in Page(render_body(body)).words
    assert "team shop-search" in Page(render_bodies(body)).words


def test_failed_errored_skipped_and_unsampled_stay_apart() -> None:
    """Coverage shows the four counts of a dimension in four cells."""
    row = bodies.result("price", 11, 13, errored=17, skipped=19, unsampled=23)
    html = render_body(bodies.night(results=[row]))
    cells = dict(re.findall(r'data-label="(\w+)">(\d+)</td>', html))
    assert {k: cells[k] for k in ("Passed", "Failed", "Errored", "Skipped", "Unsampled")} == {
        "Passed": "11", "Failed": "13", "Errored": "17", "Skipped": "19", "Unsampled": "23"
    }  # fmt: skip


def test_unaligned_judge_decides_nothing() -> None:
    """An unaligned judge is marked, and does not count among those that decide."""
    words = Page(render_body(bodies.slipped())).words
    assert "Not gating: it is not shown to agree with people." in words
    assert "of three dimensions that decide" in words
    assert "agree with people" not in Page(render_body(bodies.night())).words


def test_examples_are_full_and_five_at_most() -> None:
    """Five answers are shown whole, JSON indented, whatever their length."""
    long = "An endless question. " * 4000
    examples = [bodies.example(0, input=long), *(bodies.example(i) for i in range(1, 8))]
    html = render_body(bodies.slipped() | {"examples": examples})
    assert html.count('class="example"') == 5
    assert long in html
    assert "&#34;unit&#34;: &#34;€&#34;\n}" in html


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": 1, "a": 2}', "plain", "[" * 100_000, '{"a": NaN', '"text"']
)
def test_what_is_not_plain_json_is_left_as_written(text: str) -> None:
    """An answer that is no JSON, or JSON that would lose something, is not rewritten."""
    assert phrases.indent_json(text) == text


def test_empty_states_say_what_to_do() -> None:
    """No suite, no label, no baseline, no night: each names the next step."""
    bare = Page(render_body(bodies.night(suite=None))).words
    assert "No suite yet" in bare
    assert "suites/shop.yaml" in bare
    assert "andon labels export" in bare
    assert "becomes the baseline" in bare
    assert "andon nightly" in Page(render_bodies()).words
    refused = Page(render_body(bodies.refused())).words
    assert "61 of 200 rows were quarantined (30%); the limit for this application is 20%" in refused
    assert "andon nightly --date 2026-10-08" in refused
    assert "no-timestamp" in refused


@pytest.mark.parametrize(("demo", "labels"), [(True, 1), (False, 0)])
def test_demo_is_labelled(demo: bool, labels: int) -> None:
    """Demo data carries its label on the night and on the board, real data does not."""
    body = bodies.night(demo=demo)
    for html in (render_body(body), render_bodies(body)):
        assert Page(html).words.count("demo data, recorded answers") == labels


def test_every_chart_has_words() -> None:
    """Each picture that is not decoration has a text of what it shows."""
    for name in ("slipped", "board"):
        charts = [a for t, a in Page(ALL[name]()).tags if t == "svg" and a.get("role") == "img"]
        assert len(charts) > 2
        assert all(re.search(r"\d%|not measured", chart["aria-label"] or "") for chart in charts)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (phrases.format_percent(0.744, 0.68, 0.80), "74%"),
        (phrases.format_percent(0.9084, 0.9059, 0.9109), "90.8%"),
        (phrases.format_percent(0.992, 0.984, 0.996), "99.2%"),
        (phrases.format_percent(0.997, 0.97, 1.0), ">99%"),
        (phrases.format_percent(0.001, 0.0, 0.03), "<1%"),
        (phrases.format_percent(1.0, 0.97, 1.0), "100%"),
        (phrases.format_percent(None), "–"),
        (phrases.format_points(-0.17, -0.23, -0.11), "−17 ± 6"),
        (phrases.format_points(-0.001, -0.03, 0.03), "0 ± 3"),
        (phrases.format_points(0.0123, 0.0093, 0.0153), "+1.2 ± 0.3"),
        (phrases.format_points(-0.125, -0.302, -0.029), "−12, −30 to −3"),
        (phrases.format_interval(0.676, 0.794), "68–79%"),
        (phrases.format_interval(0.986, 0.997), "98.6–99.7%"),
        (phrases.format_dollars(0.0), "$0.00"),
        (phrases.format_dollars(0.0042), "$0.0042"),
        (phrases.format_day("2026-10-08"), "Thursday 8 October 2026"),
        (phrases.format_day("yesterday"), "yesterday"),
        (phrases.join_names(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_numbers_show_what_their_interval_supports(shown: str, expected: str) -> None:
    """Figures are rounded to their interval, and only an exact 0% or 100% is called so."""
    assert shown == expected


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12))
def test_scale_covers_what_it_shows(values: list[float | None]) -> None:
    """A scale keeps every value on it, in order, within 0..1."""
    scale = charts.make_scale(values, 240)
    present = sorted(value for value in values if value is not None)
    assert 0 <= scale.low < scale.high <= 1
    places = [scale.locate(value) for value in present]
    assert places == sorted(places)
    assert all(scale.low - 1e-9 <= value <= scale.high + 1e-9 for value in present)


@given(st.text())
def test_visible_text_can_be_written(text: str) -> None:
    """Whatever a trace contains, its visible form is UTF-8 without hidden characters."""
    shown = phrases.show_hidden(text)
    shown.encode()
    assert not phrases.UNSAFE.search(shown)


def test_a_quiet_night_is_not_a_first_night() -> None:
    """Where nothing moved the page reports that, and not that there was nothing to compare with."""
    body = {**bodies.slipped(), "changes": [], "causes": []}
    assert any(row["baseline"] for row in body["results"])
    assert "Nothing moved beyond chance" in render_body(body)
    first = {**body, "results": [{**row, "baseline": None} for row in body["results"]]}
    assert "Nothing earlier to compare with" in render_body(first)


def test_a_close_call_counts_the_answers_that_would_decide() -> None:
    """The reason is beside the verdict: 25 answers; 41 would decide."""
    row = bodies.result("price", 20, 5, verdict="too close to call")
    shown = row | {"reason": "25 answers; 41 would decide"}
    assert "too close to call : 25 answers; 41 would decide" in Page(
        render_body(bodies.night(results=[shown]))
    ).words.replace("call:", "call :")
