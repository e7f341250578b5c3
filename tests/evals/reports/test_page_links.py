"""No link is dead: between old nights and new ones, in a home with every kind of page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from evals.records import Label, Trace
from evals.reports import board_pages, night_pages, render
from evals.reports.disagreements import read_disagreements
from evals.storage import answer_pages
from evals.storage.label_records import write_labels
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet
from evals.storage.record_tables import to_table
from evals.table_rows import RequestRow
from orchestration.cli.reports import report
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page, follow_links
from tests.evals.reports.test_board import store
from tests.evals.reports.test_linked_pages import happen, judged

LAST = date(2026, 10, 8)
NIGHTS = [LAST - timedelta(days=days) for days in range(34, -1, -1)]
ASKED = "my aunt's kettle"


class ScoreRow(NamedTuple):
    """The columns of `fct_scores` that pages read."""

    date: date
    app: str
    trace_id: str
    dimension: str
    evaluator: str
    evaluator_version: str
    kind: str
    status: str
    verdict: str | None
    value: float | None
    explanation: str | None
    code: str | None


class MemberRow(NamedTuple):
    """A row of `fct_slice_members`."""

    app: str
    trace_id: str
    slice: str


class ContradictedRow(NamedTuple):
    """A row of `fct_disagreements`."""

    date: date
    app: str
    trace_id: str
    dimension: str
    evaluator: str
    evaluator_version: str
    verdict: str
    label: str


def build_bodies() -> Iterator[dict[str, Any]]:
    """Five weeks of an application with slices, topics and an incident, and one judged night."""
    for body in bodies.nights(len(NIGHTS), "a", drop=2):
        part = [{**row, "slice": "source=web"} for row in body["results"]]
        body["results"] = [*body["results"], *part]
        yield bodies.sealed(body)


def fill_night(lake: Lake, night: date) -> None:
    """Writes the traces, scores, slices and topics of a night of four answers."""
    ids = [f"{night}-{n}" for n in range(4)]
    at = datetime(night.year, night.month, night.day, 9, tzinfo=UTC)
    lake.write("traces", night, [
        Trace(one, at, "a", f"The answer about {ASKED}", f"How much is {ASKED}? {one}")
        for one in ids
    ])  # fmt: skip
    scores = [
        ScoreRow(night, "a", one, "title", "a.title", "0" * 16, "assertion", "scored",
                 "pass" if n else "fail", None, "no title", None)
        for n, one in enumerate(ids)
    ]  # fmt: skip
    members = [MemberRow("a", one, "source=web") for one in ids[:2]]
    wrong = [ContradictedRow(night, "a", ids[1], "title", "a.title", "0" * 16, "pass", "fail")]
    for mart, rows in (
        ("fct_scores", scores), ("fct_slice_members", members), ("fct_disagreements", wrong),
    ):  # fmt: skip
        path = lake.store.path(f"marts/{mart}/date={night}/data.parquet")
        write_parquet(path, to_table(type(rows[0]), rows))
    met = (False,) * 5
    lake.write("requests", night, [
        RequestRow(night, "a", one, "kettle", "1.1", None, 1, None, *met) for one in ids
    ])  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose older nights have the pages of an earlier version, and no answers' pages."""
    lake = Lake(tmp_path_factory.mktemp("home")).open()
    reports = list(build_bodies())
    reports[-1] = bodies.sealed(reports[-1] | {"incidents": happen()})
    for night in NIGHTS[-3:]:
        fill_night(lake, night)
    store(lake, bodies.sealed(reports[-2] | {"sentence": "Held.", "verdict": "held"}))
    label = Label(f"{LAST}-1", "title", "fail", "Ann", "human", critique="it is the old title")
    write_labels(lake, [label], "people")
    store(lake, *reports, judged(app="b", date="2026-10-08"))
    return lake.home


def crawl_home(home: Path) -> set[str]:
    """Follows every link from the board, none of which is dead; returns the pages reached."""
    crawl = follow_links(home / "reports" / "index.html")
    assert crawl.broken == set()
    return {path.relative_to(home / "reports").as_posix() for path in crawl.reached}


def test_links_between_old_and_new_pages_lead_somewhere(home: Path) -> None:
    """Rendered by a newer version, a few nights link the older ones, and the board all of them."""
    lake = Lake(home).open()
    board_pages.write_board(lake)
    before = crawl_home(home)
    done = list(render.render_reports(lake, first=NIGHTS[-2], last=NIGHTS[-2]))
    assert [row.night for row in done] == [NIGHTS[-2]]
    after = crawl_home(home)
    assert before < after
    assert f"{NIGHTS[-2]}/a/topics/index.html" in after
    assert f"{NIGHTS[-2]}/a/versions/index.html" in after
    assert f"{NIGHTS[-2]}/a/traces/{answer_pages.name_trace_page(f'{NIGHTS[-2]}-0')}" in after


def test_one_command_renders_every_night(home: Path) -> None:
    """Its pages, answers, topics, slices and evaluators; no report changes."""
    bodies_before = {path: path.read_bytes() for path in home.rglob("report.json")}
    words = ["render", "--home", str(home), "--catalog", "tests/catalogs/nights"]
    result = CliRunner().invoke(report, words)
    assert result.output == f"{len(NIGHTS) + 1} nights rendered\n"
    assert {path: path.read_bytes() for path in home.rglob("report.json")} == bodies_before
    reached = crawl_home(home)
    written = {
        path.relative_to(home / "reports").as_posix() for path in (home / "reports").rglob("*.html")
    }
    assert written == {name for name in reached if name.endswith(".html")}
    (night,) = (home / "reports" / str(LAST) / "a").glob("*/report.md")
    links = Page((night.parent / "index.html").read_text()).links
    assert "../../../slices/a/index.html" in links
    assert "../../../evaluators/a/a.title.html" in links
    assert "../topics/index.html" in links


def test_an_evaluator_shows_where_people_contradict_it(home: Path) -> None:
    """Both verdicts with their words and texts, of the newest nights, linked to the traces."""
    lake = Lake(home).open()
    list(render.render_reports(lake))
    (found,) = read_disagreements(lake, NIGHTS).values()
    assert [one.row.date for one in found] == NIGHTS[:-4:-1]
    page = (home / "reports" / "evaluators" / "a" / "a.title.html").read_text()
    words = Page(page).words
    assert "It passed this answer, people failed it" in words
    assert "it is the old title according to Ann" in words
    name = answer_pages.name_trace_page(f"{LAST}-1")
    assert f"../../{LAST}/a/traces/{name}" in Page(page).links


def test_the_texts_of_a_trace_leave_every_page_that_shows_them(home: Path) -> None:
    """Pages that show one of them are emptied, those of evaluators and topics too."""
    lake = Lake(home).open()
    list(render.render_reports(lake))
    gone = f"{LAST}-1"
    answer_pages.empty_pages_about(lake, [gone])
    for pages in answer_pages.list_about(lake, [gone]):
        answer_pages.empty_answer_pages(lake, *pages)
    kept = [path for path in (home / "reports").rglob("*.html") if gone in path.read_text()]
    assert kept == []
    night_pages.write_emptied(lake)
    board_pages.write_board(lake)
    assert f"{LAST}/a/failing/title-1.html" in crawl_home(home)
